import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { reason } from '../base/errors.js';
import { type Daemon, daemonsCalled } from '../container/engines/daemons.js';
import { pathOf, usualPath } from '../container/engines/engine-criu.js';
import { Criu } from '../criu/criu.js';
import { isOlder, tooOld, versionText } from '../criu/program.js';
import type { Host } from '../linux/host.js';
import { findProgram } from '../linux/paths.js';
import { requireTrusted } from '../linux/trusted.js';
import { type Check, passed, warned } from './check.js';

const limitMs = 2_000;

/** The engines: their programs, the first of which is a daemon's where they have one. */
const engines = [
  { name: 'docker', programs: ['dockerd', 'docker'] },
  { name: 'podman', programs: ['podman'] },
  { name: 'containerd', programs: ['containerd'] },
  { name: 'cri-o', programs: ['crio'] },
] as const;

const daemonNames = ['dockerd', 'containerd', 'crio'] as const;

/** The runtimes that are there. Only crun is built with CRIU or without. */
export async function checkRuntimes(host: Host): Promise<readonly Check[]> {
  const found: Check[] = [];
  for (const name of ['runc', 'crun']) {
    const program = await findInOwnPath(name, host);
    if (program !== undefined) found.push(await checkRuntime(name, program, host));
  }
  if (found.length > 0) return found;
  const message = 'There is neither runc nor crun: processes can be dumped, and containers not';
  return [warned('runtime', message, 'Install runc or crun, if you have containers')];
}

async function checkRuntime(name: string, program: string, { systemRoot }: Host): Promise<Check> {
  const at = program.slice(systemRoot.length);
  let text: string;
  try {
    await requireTrusted('the container runtime', program);
    const { stdout } = await promisify(execFile)(program, ['--version'], { timeout: limitMs });
    text = stdout;
  } catch (error) {
    const message = `${name} at ${at} does not run: ${reason(error)}`;
    return warned('runtime', message, `Install ${name} anew`, name);
  }
  const version = /version (\S+)/.exec(text)?.[1] ?? 'of an unknown version';
  if (name === 'crun' && !text.includes('+CRIU')) {
    const message = `crun ${version} at ${at} is built without CRIU: it cannot restore`;
    return warned('runtime', message, 'Install a crun that is built with it, or use runc', name);
  }
  return passed('runtime', `${name} ${version} at ${at}`, name);
}

/** The engines that are there, each with the criu that it restores with. */
export async function checkEngines(criu: Criu, host: Host): Promise<readonly Check[]> {
  const daemons = await daemonsCalled(daemonNames, host);
  const running = new Map<string, Daemon>();
  for (const daemon of daemons.flat()) running.set(daemon.program, daemon);
  const found: Check[] = [];
  for (const { name, programs } of engines) {
    const daemon = programs.map((program) => running.get(program)).find((one) => one);
    const isThere = await Promise.all(programs.map((program) => findInOwnPath(program, host)));
    if (daemon === undefined && isThere.every((path) => path === undefined)) continue;
    const path = daemon === undefined ? usualPath : await pathOf(daemon.pid, host);
    found.push(await checkEngine(name, path, criu, host));
  }
  return found;
}

/** What docker has containers restored by is started by its containerd, mostly with the same PATH. */
async function checkEngine(name: string, path: string, criu: Criu, host: Host): Promise<Check> {
  const binary = await findProgram(path, 'criu', host.systemRoot);
  if (binary === undefined) {
    const message = `${name} finds no criu in its PATH (${path}): it cannot restore`;
    return warned('engine', message, `Install criu in a directory of that PATH`, name);
  }
  const at = binary.slice(host.systemRoot.length);
  const cure = `Install the criu that saves also for ${name}`;
  const theirs = new Criu({ binary, workers: 0 });
  try {
    await requireTrusted("the engine's criu", binary);
    const [restores, saves] = [await theirs.version(), await criu.version()];
    const told = `${name} restores with criu ${versionText(restores)} at ${at}`;
    const why = tooOld(restores);
    if (why !== undefined) return warned('engine', `${told}, which ${why}`, cure, name);
    if (!isOlder(restores, saves)) return passed('engine', told, name);
    const message = `${told}, which does not read all that criu ${versionText(saves)} writes`;
    return warned('engine', message, cure, name);
  } catch (error) {
    return warned('engine', `${name} has a criu at ${at}: ${reason(error)}`, cure, name);
  } finally {
    await theirs.close();
  }
}

function findInOwnPath(name: string, { env, systemRoot }: Host): Promise<string | undefined> {
  return findProgram(env['PATH'] || usualPath, name, systemRoot);
}
