import { statSync } from 'node:fs';
import { readFile } from '../base/files.js';
import { dumpHooks } from '../criu/hooks.js';
import type { Installation } from '../criu/locate.js';
import { Outputs } from '../images/outputs.js';
import type { Cgroup } from '../linux/cgroup-directory.js';
import type {
  CriuFields,
  FreshDirectory,
  NativeFreezer,
  NativeRequest,
} from '../native/contract.js';
import { networkLocks, toFields } from '../options/fields.js';
import type { DumpOptions } from '../options/types.js';
import { toldFields } from './config.js';
import type { DumpRequest } from './request.js';

/**
 * What the addon is asked for one dump.
 *
 * @param target - Where CRIU is to write: a directory that is still to be made, or opened ones.
 * @param cgroup - What is frozen for it.
 */
export async function nativeRequest(
  request: DumpRequest,
  installation: Installation,
  target: FreshDirectory | Outputs,
  cgroup: Cgroup | undefined,
): Promise<NativeRequest> {
  const { criu, pid, preDump, options, fields, postDumpFile } = request;
  const outputs = target instanceof Outputs ? target : undefined;
  const isNetworkTheirs = networkOf(pid) !== networkOf('self');
  const locksNetwork = options.tcpEstablished === true || isNetworkTheirs;
  const hasNftables = locksNetwork && (await criu.hasNftables(installation));
  // In a network namespace that it shares with the tasks CRIU locks nothing but connections anyway.
  const skipsNeedlessLock = isNetworkTheirs && cgroup !== undefined && mayLockNothing(request);
  const all = toldFields(request, {
    pid,
    ...(outputs ? { images_dir_fd: outputs.images.fd } : {}),
    // nftables locks the same as iptables does, 50 ms faster. In our own network namespace CRIU
    // locks only the connections that are dumped: for most trees it has nothing to do with
    // iptables, while it would still make a table with nftables.
    ...(hasNftables ? { network_lock: networkLocks.nftables } : {}),
    ...fields,
    ...toFields(options),
    ...(outputs?.work ? { work_dir_fd: outputs.work.fd } : {}),
  });
  // The path without links: above it are only cgroups and their mount.
  if (cgroup !== undefined) all.freeze_cgroup = cgroup.path;
  else delete all.freeze_cgroup;
  const config = await lazyConfig(options, all);
  return {
    verb: preDump ? 'preDump' : 'dump',
    ...installation,
    environment: await criu.environment(options),
    fields: all,
    ...(target instanceof Outputs ? {} : { images: target }),
    ...(options.statusFd === undefined ? {} : { statusFd: options.statusFd }),
    ...(config === undefined ? {} : { config: Buffer.from(config, 'latin1') }),
    ...(postDumpFile === undefined ? {} : { postDumpFile }),
    // A log elsewhere may be that of other operations as well.
    ...(preDump || request.outerLog ? {} : { log: options.logFile }),
    ...criu.workers,
    goesOn: !locksNetwork && goesOn(request),
    told: toldOf(options),
    // A pre-dump lets the tree run while it still writes pages, which our freeze would prevent.
    ...(cgroup && !preDump ? { freezer: nativeFreezer(cgroup) } : {}),
    skipsNeedlessLock,
  };
}

/** Whether CRIU need not lock a network without sockets. A configuration file may tell it something else. */
function mayLockNothing(request: DumpRequest): boolean {
  const { preDump, options, canSkipLock, configLocksNetwork } = request;
  const { networkLock = 'needed' } = options;
  return !preDump && networkLock === 'needed' && canSkipLock === true && !configLocksNetwork;
}

/** Of what we hear, without CRIU waiting for us. */
function toldOf({ lazyPages, onProgress }: DumpOptions): readonly string[] {
  if (onProgress !== undefined) return Object.values(dumpHooks.scripts);
  return lazyPages === true ? [dumpHooks.scripts.statusReady] : [];
}

function nativeFreezer({ fd, path, version, place }: Cgroup): NativeFreezer {
  return { fd, path, version, place };
}

/**
 * CRIU drops the address of a lazy dump's page server from the request; it compares the name in a
 * client's certificate with it. The configuration that was asked for comes first.
 */
async function lazyConfig(options: DumpOptions, fields: CriuFields): Promise<string | undefined> {
  const { ps: [[address] = []] = [], config_file: file } = fields;
  if (!options.lazyPages || address === undefined) return undefined;
  const asked = file === undefined ? '' : await readFile(file, 'latin1').catch(() => '');
  delete fields.config_file;
  return `${asked}\naddress ${address}\n`;
}

/**
 * Whether nothing has to be done, and nobody can refuse, at CRIU's notifications. With nftables it
 * is noted which tables there are, before CRIU makes its own.
 */
function goesOn(request: DumpRequest): boolean {
  const { preDump, options, deadline, freezer, postDumpFile, whileStill } = request;
  if (preDump || deadline.isBounded || options.lazyPages || options.networkLock === 'nftables') {
    return false;
  }
  const { hooks, freezeCgroup, pageServer, configFile } = options;
  const special = [hooks, freezeCgroup, pageServer, configFile, freezer, postDumpFile, whileStill];
  return special.every((one) => one === undefined);
}

/** The network namespace of a process; undefined when it is gone, or may not be looked at. */
function networkOf(pid: number | 'self'): string | undefined {
  try {
    const { dev, ino } = statSync(`/proc/${pid}/ns/net`);
    return `${dev}:${ino}`;
  } catch {
    return undefined;
  }
}
