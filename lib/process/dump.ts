import { once } from 'node:events';
import { existsSync, readlinkSync } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Deadline } from '../base/deadline.js';
import { CriuError, invalidArgValue } from '../base/errors.js';
import type { CriuFeatures } from '../criu/criu.js';
import { criuEnvironment } from '../criu/environment.js';
import { dumpHooks, HookRunner } from '../criu/hooks.js';
import type { Installation } from '../criu/locate.js';
import { excerpt, readExcerpt } from '../criu/log.js';
import { requestFailure } from '../criu/request-failure.js';
import {
  adoptFresh,
  type CheckedDirectory,
  checkDirectory,
  checkParentPath,
  claimDirectory,
  type OutputDirectory,
  openFresh,
} from '../images/directory.js';
import { type DumpStats, decodeDumpStats } from '../images/stats.js';
import { MemoryTracking } from '../images/tracking.js';
import { readTree } from '../linux/process-tree.js';
import { Budget, Procfs } from '../linux/procfs.js';
import {
  type FreshDirectory,
  type NativeOperation,
  type NativeOutcome,
  type NativeRequest,
  nativeAddon,
} from '../native/addon.js';
import { parsePageServer } from '../options/address.js';
import { networkLocks, toFields } from '../options/fields.js';
import { checkTls } from '../options/tls.js';
import type { DumpOptions } from '../options/types.js';
import { checkStatusFd } from '../options/validate.js';
import { findSmallPipes } from '../preflight/checks/machine.js';
import { enrich } from '../preflight/enrich.js';
import type { CriuFields, DumpRequest, Running } from './request.js';

/** What a dump has to tell. */
export interface DumpResult {
  /** The root of the tree that was dumped. */
  pid: number;
  /** Absolute path of the images directory. */
  imagePath: string;
  /** Absolute path of CRIU's log. */
  logFile: string;
  /** CRIU's own figures; undefined where it writes none that are right (lazy pages). */
  stats: DumpStats | undefined;
  /** Where the time went. */
  timings: DumpTimings;
  /**
   * What went wrong after CRIU had succeeded, a sentence each: a cgroup of the container that could
   * not be removed, a poststop hook that failed.
   */
  warnings: readonly string[];
  /** Milliseconds from the call to its end. */
  durationMs: number;
}

/** Our own measurements of one dump, in milliseconds. */
export interface DumpTimings {
  /** Checks, and waiting for a turn. */
  queuedMs: number;
  /** Until a criu process was there: next to nothing when a spare was. */
  workerReadyMs: number;
  /** Freezing the cgroup; 0 when CRIU froze the tree itself. */
  freezeMs: number;
  /** From the request to CRIU's answer. */
  criuMs: number;
  /** Thawing the cgroup; 0 when CRIU did it. */
  thawMs: number;
  /** Destroying the container; 0 when it was left running. */
  destroyMs: number;
  /** For how long the application stood still, or until it was gone; undefined when not known. */
  pauseMs: number | undefined;
}

/**
 * Runs one dump or pre-dump: everything is checked before anything is touched, and after a failure
 * the tree runs on and no images are left that look complete.
 */
export async function runDump(request: DumpRequest): Promise<DumpResult> {
  const start = performance.now();
  const { options, deadline } = request;
  requireRoot(request);
  const installation = await deadline.bound('criu', request.criu.ready());
  if (options.lazyPages === true && installation.service !== undefined) {
    // Its criu gets no connection of ours, and would listen on every address.
    throw invalidArgValue('lazyPages', 'false with a criu service', true);
  }
  checkProcess(request);
  const { imagePath, parentPath } = options;
  if (parentPath !== undefined) {
    await deadline.bound('directory', checkParentPath(imagePath, parentPath));
  }
  await deadline.bound('criu', checkFeatures(request));
  await deadline.bound('directory', checkTls(options));
  await deadline.bound('process', checkPipes(request));
  const leave = await deadline.enter(request.criu.queue);
  try {
    const giveBack = claimDirectory('imagePath', imagePath);
    try {
      return await dumpInTurn(request, installation, start);
    } finally {
      giveBack();
    }
  } finally {
    leave();
  }
}

async function dumpInTurn(
  request: DumpRequest,
  installation: Installation,
  start: number,
): Promise<DumpResult> {
  const { options, deadline } = request;
  const { logFile: logName } = options;
  const queuedMs = performance.now() - start;
  if (options.statusFd !== undefined) checkStatusFd(options.statusFd);
  if (request.precondition) await deadline.bound('container', request.precondition());
  const tracking = await deadline.bound(
    'directory',
    MemoryTracking.of(request.pid, request.preDump, options),
  );
  await deadline.bound('listen', checkListening(options));
  const fresh = freshDirectory(request, tracking);
  // A directory that does not answer holds up what makes it.
  const direct =
    fresh && !deadline.isBounded
      ? await dumpIntoFresh(request, installation, fresh, start)
      : undefined;
  const { images, checkedWork } = direct ?? (await openImages(request, fresh));
  let work: OutputDirectory | undefined;
  try {
    let outcome = direct?.outcome;
    try {
      work = checkedWork && (await deadline.bound('directory', checkedWork.open(), undo));
      if (tracking) await images.write(...tracking.imageFile);
      await tracking?.begin();
      outcome ??= await dumpInto(request, installation, { images, ...(work && { work }) }, start);
      if (!outcome.success) {
        const error = await failure(request, outcome, work ?? images);
        if (mayBeAllThatIsLeft(request, outcome)) throw keepImages(error, images);
        throw await enrich(error, request);
      }
    } catch (error) {
      await tracking?.fail((work ?? images).file(logName));
      if (!keptImages.has(error as Error)) {
        await Promise.allSettled([images.discard([logName]), work?.discard([logName])]);
      }
      throw error;
    }
    // From here on the images may be all that is left of the tree: nothing removes them any more.
    await tracking?.succeed();
    await images.keep();
    const stats = options.lazyPages ? undefined : statsOf(outcome);
    return {
      pid: request.pid,
      imagePath: images.path,
      logFile: join((work ?? images).path, logName),
      stats,
      timings: timingsOf(outcome, queuedMs, stats),
      warnings: outcome.warning === '' ? [] : [outcome.warning],
      durationMs: performance.now() - start,
    };
  } finally {
    images.close();
    work?.close();
  }
}

/** Where the images go. */
interface Opened {
  images: OutputDirectory;
  /** The work directory, which is opened after it, known to be good. */
  checkedWork?: CheckedDirectory;
}

/** The images directory, if one that does not exist yet is all that is needed. */
function freshDirectory(
  { options, imageFiles = [] }: DumpRequest,
  tracking: MemoryTracking | undefined,
): FreshDirectory | undefined {
  if (options.workPath !== undefined || tracking) return undefined;
  return { path: options.imagePath, files: imageFiles };
}

/**
 * Has the images directory made on the way to CRIU.
 *
 * @returns undefined, with nothing touched, when it cannot be.
 */
async function dumpIntoFresh(
  request: DumpRequest,
  installation: Installation,
  fresh: FreshDirectory,
  start: number,
): Promise<(Opened & { outcome: Outcome }) | undefined> {
  const outcome = await dumpInto(request, installation, { fresh }, start);
  const { imagesFd } = outcome;
  return imagesFd === undefined ? undefined : { images: adoptFresh(fresh, imagesFd), outcome };
}

async function openImages(
  { options, deadline }: DumpRequest,
  fresh: FreshDirectory | undefined,
): Promise<Opened> {
  const { imagePath, workPath, overwrite, logFile } = options;
  const bound = <T>(step: Promise<T>, undone?: (value: T) => unknown): Promise<T> =>
    deadline.bound('directory', step, undone);
  if (fresh && deadline.isBounded) {
    const step = openFresh({ ...fresh, files: [] });
    const images = await bound(step, (directory) => directory && undo(directory));
    if (images) return { images };
  }
  const existing = overwrite === true ? 'replace' : overwrite === 'reuse' ? 'reuse' : 'refuse';
  const checkedImages = await bound(checkDirectory('imagePath', imagePath, existing, [logFile]));
  const checkedWork =
    workPath === undefined
      ? undefined
      : await bound(checkDirectory('workPath', workPath, 'reuse', [logFile]));
  const images = await bound(checkedImages.open(), undo);
  return checkedWork === undefined ? { images } : { images, checkedWork };
}

/** Of a directory that is there when nobody waits for it any more. */
async function undo(directory: OutputDirectory): Promise<void> {
  await directory.discard([]).finally(() => directory.close());
}

/** Before anything else is looked at. */
export function requireRoot({ operation }: Pick<Running, 'operation'>): void {
  if (process.geteuid?.() === 0) return;
  throw new CriuError('ERR_CRIU_PERMISSION', `Only root can ${operation} (CRIU traces processes)`, {
    operation,
  });
}

/** How the handlers of an operation fared, beside how CRIU did. */
export interface Outcome extends NativeOutcome {
  veto: HookRunner['veto'];
}

/** Where CRIU is to write: a directory that is still to be made, or what has been opened. */
interface Place {
  fresh?: FreshDirectory;
  images?: OutputDirectory;
  work?: OutputDirectory;
}

/** Has CRIU write the images; throws only when it was not asked. */
async function dumpInto(
  request: DumpRequest,
  installation: Installation,
  place: Place,
  start: number,
): Promise<Outcome> {
  const { deadline, imageFiles = [] } = request;
  for (const file of imageFiles) await place.images?.write(...file);
  const native = await deadline.bound('request', nativeRequest(request, installation, place));
  const frozenFirst = native.freezerPath !== undefined;
  const { hooks = {} } = request.options;
  const runner = new HookRunner(dumpHooks, hooks, start, frozenFirst, deadline);
  return runNative(native, runner, deadline, () => tellReady(request));
}

/** CRIU kills the tasks after `post-dump` and before it answers; it may have died in between. */
function mayBeAllThatIsLeft({ pid }: DumpRequest, outcome: NativeOutcome): boolean {
  const isComplete = outcome.events.some(({ name }) => name === 'post-dump');
  return isComplete && !outcome.replied && !existsSync(`/proc/${pid}`);
}

/** Errors whose images are kept. */
const keptImages = new WeakSet<Error>();

function keepImages(error: Error, images: OutputDirectory): Error {
  error.message += `. The tree is gone; its images are kept in ${readlinkSync(`/proc/self/fd/${images.fd}`)}`;
  keptImages.add(error);
  return error;
}

/** Statistics are not worth a failure. */
function statsOf({ stats }: NativeOutcome): DumpStats | undefined {
  try {
    return decodeDumpStats(stats);
  } catch {
    return undefined;
  }
}

function checkProcess({ pid, operation }: DumpRequest): void {
  if (existsSync(`/proc/${pid}`)) return;
  throw new CriuError('ERR_PROCESS_NOT_FOUND', `There is no process ${pid}`, {
    operation,
    errno: 3,
  });
}

/** What the kernel lacks is told by name, before CRIU is asked. */
async function checkFeatures({ criu, options, preDump, operation }: DumpRequest): Promise<void> {
  const needs: [boolean, keyof CriuFeatures, string][] = [
    [
      preDump,
      'memTrack',
      `memory tracking, which ${operation === 'checkpoint' ? 'preDump' : operation} needs`,
    ],
    [options.parentPath !== undefined, 'memTrack', 'memory tracking, which parentPath needs'],
    [options.trackMem === true, 'memTrack', 'memory tracking, which trackMem needs'],
    [options.lazyPages === true, 'lazyPages', 'userfaultfd, which lazyPages needs'],
  ];
  for (const [needed, feature, words] of needs) {
    if (needed && !(await criu.features())[feature]) {
      throw new CriuError('ERR_CRIU_FEATURE_MISSING', `CRIU and this kernel lack ${words}`, {
        operation,
      });
    }
  }
}

/**
 * With pipes that are too small CRIU breaks off in the middle of serving lazy pages, when the
 * restored tasks run already.
 */
async function checkPipes({ pid, options, operation }: DumpRequest): Promise<void> {
  if (options.lazyPages !== true) return;
  const proc = new Procfs();
  const finding = await findSmallPipes(proc, () => readTree(proc, pid, new Budget()));
  if (finding === undefined) return;
  const error = new CriuError('ERR_CRIU_FEATURE_MISSING', finding.message, { operation });
  throw Object.assign(error, { findings: [finding] });
}

/** CRIU would find out with the tasks frozen and all their memory read. */
async function checkListening({ lazyPages, pageServer }: DumpOptions): Promise<void> {
  if (lazyPages !== true || pageServer === undefined) return;
  const { address, port } = parsePageServer('pageServer', pageServer);
  const server = createServer();
  try {
    await once(server.listen({ host: address, port, ipv6Only: true }), 'listening');
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    const where = `pageServer address ${address} port ${port}`;
    throw new CriuError('ERR_CRIU_ADDRESS', `Cannot listen on ${where} (${code})`, { cause });
  } finally {
    if (server.listening) await promisify(server.close.bind(server))();
  }
}

async function nativeRequest(
  request: DumpRequest,
  installation: Installation,
  { fresh, images, work }: Place,
): Promise<NativeRequest> {
  const { criu, pid, preDump, options, fields, freezer, postDumpFile } = request;
  const locksNetwork = options.tcpEstablished === true || networkOf(pid) !== networkOf('self');
  const hasNftables = locksNetwork && (await criu.hasNftables(installation));
  const all: CriuFields = {
    pid,
    ...(images ? { images_dir_fd: images.fd } : {}),
    // The same lock as by iptables, 50 ms faster. In our own network namespace iptables locks only
    // the connections that are dumped, so that there is nothing to do for most trees, while
    // nftables would still make a table.
    ...(hasNftables ? { network_lock: networkLocks.nftables } : {}),
    ...fields,
    ...toFields(options),
    ...(work ? { work_dir_fd: work.fd } : {}),
  };
  const byPtrace = options.freezer === 'ptrace';
  if (byPtrace) delete all['freeze_cgroup'];
  const cgroup = freezer ?? (await detectFreezer(options.freezeCgroup));
  const config = await lazyConfig(options, all);
  return {
    verb: preDump ? 'preDump' : 'dump',
    ...installation,
    environment: criuEnvironment(options),
    fields: all,
    ...(fresh ? { images: fresh } : {}),
    ...(options.statusFd === undefined ? {} : { statusFd: options.statusFd }),
    ...(config === undefined ? {} : { config }),
    ...(postDumpFile === undefined ? {} : { postDumpFile }),
    spares: criu.spares,
    goesOn: !locksNetwork && goesOn(request),
    ...(options.lazyPages === true ? { told: ['status-ready'] } : {}),
    // A pre-dump lets the tree run while it still writes pages, which our freeze would prevent.
    ...(cgroup && !byPtrace && !preDump
      ? { freezerPath: cgroup.path, freezerVersion: cgroup.version }
      : {}),
  };
}

async function detectFreezer(
  path: string | undefined,
): Promise<{ path: string; version: 1 | 2 } | undefined> {
  if (path === undefined) return undefined;
  const v1 = await stat(join(path, 'freezer.state')).catch(() => undefined);
  return { path, version: v1 ? 1 : 2 };
}

/**
 * CRIU drops the address of a lazy dump's page server from the request; it compares the name in a
 * client's certificate with it. The configuration that was asked for comes first.
 */
async function lazyConfig(options: DumpOptions, fields: CriuFields): Promise<string | undefined> {
  if (!options.lazyPages || !Array.isArray(fields['ps'])) return undefined;
  const [address] = fields['ps'][0] as readonly [string, string];
  const file = fields['config_file'];
  const asked = typeof file === 'string' ? await readFile(file, 'utf8').catch(() => '') : '';
  delete fields['config_file'];
  return `${asked}\naddress ${address}\n`;
}

/**
 * Whether nothing has to be done, and nobody can refuse, at CRIU's notifications. With nftables it is
 * noted which tables there are, before CRIU makes its own.
 */
function goesOn({ preDump, options, deadline, freezer, postDumpFile }: DumpRequest): boolean {
  if (preDump || deadline.isBounded || options.lazyPages || options.networkLock === 'nftables') {
    return false;
  }
  const { hooks, freezeCgroup, pageServer, configFile } = options;
  const special = [hooks, freezeCgroup, pageServer, configFile, freezer, postDumpFile];
  return special.every((one) => one === undefined);
}

function networkOf(process: number | 'self'): string | undefined {
  try {
    return readlinkSync(`/proc/${process}/ns/net`);
  } catch {
    return undefined; // gone, or another user's
  }
}

function tellReady({ options, statusReady }: DumpRequest): void {
  statusReady?.();
  // What it throws is the caller's, as of an event's listener.
  queueMicrotask(() => options.onStatusReady?.());
}

/** Runs the request until CRIU answers; the deadline has CRIU roll back. */
export async function runNative(
  native: NativeRequest,
  hooks: HookRunner,
  deadline: Deadline,
  tell: () => void = () => {},
): Promise<Outcome> {
  const addon = nativeAddon();
  const ask = hooks.ask((...answer) => addon.answer(running.id, ...answer));
  const running: NativeOperation = addon.start(
    { ...native, asked: hooks.asked },
    (number, ...notification) => (number === 0 ? tell() : ask(number, ...notification)),
  );
  const callOff = deadline.whenGivenUp(() => addon.cancel(running.id));
  try {
    return { ...(await running.done), veto: hooks.veto };
  } finally {
    callOff();
  }
}

export async function failure(
  request: Running,
  outcome: Outcome,
  place: OutputDirectory,
): Promise<Error> {
  const { veto } = outcome;
  if (outcome.cancelled) return request.deadline.error(outcome.stage);
  const logName = request.options.logFile;
  const log = await readExcerpt(place.file(logName)).catch(() => excerpt(''));
  const logFile = place.keepsLogs ? join(place.path, logName) : undefined;
  if (veto) {
    return new CriuError(
      'ERR_CRIU_VETOED',
      `The ${request.operation} was vetoed by hooks.${veto.stage}: ${errorText(veto.error)}`,
      {
        operation: request.operation,
        stage: outcome.stage,
        log: log.lines,
        logFile,
        cause: veto.error,
      },
    );
  }
  return requestFailure(request.operation, outcome, log, logFile);
}

function errorText(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function timingsOf(
  { timeline }: NativeOutcome,
  queuedMs: number,
  stats: DumpStats | undefined,
): DumpTimings {
  const { workerReady = 0, freezing, frozen, sent = 0, replied = 0, thawed } = timeline;
  const byCriu = stats && (stats.freezingTimeUs + stats.frozenTimeUs) / 1000;
  return {
    queuedMs,
    workerReadyMs: workerReady,
    freezeMs: freezing === undefined ? 0 : (frozen ?? freezing) - freezing,
    criuMs: replied - sent,
    thawMs: thawed === undefined ? 0 : thawed - replied,
    destroyMs: 0,
    pauseMs: freezing === undefined ? byCriu : (thawed ?? replied) - freezing,
  };
}
