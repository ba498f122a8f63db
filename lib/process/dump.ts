import { existsSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { withDeadline } from '../base/deadline.js';
import { type AbortError, type CriuError, invalidArgValue, withNote } from '../base/errors.js';
import { checkPid } from '../base/numbers.js';
import { defaultCriu } from '../criu/criu.js';
import { dumpHooks, HookRunner } from '../criu/hooks.js';
import type { Installation } from '../criu/locate.js';
import { requireRoot } from '../criu/require-root.js';
import { type Outcome, runNative } from '../criu/run.js';
import {
  adoptFresh,
  type CheckedDirectory,
  checkDirectory,
  claimDirectory,
  type OutputDirectory,
  openFresh,
} from '../images/directory.js';
import { checkParentPath } from '../images/place.js';
import { type DumpStats, decodeDumpStats } from '../images/stats.js';
import { MemoryTracking } from '../images/tracking.js';
import type { FreshDirectory, NativeOutcome } from '../native/contract.js';
import { checkStatusFd } from '../options/status-fd.js';
import { checkTls } from '../options/tls.js';
import type { DumpOptions, PreDumpOptions } from '../options/types.js';
import { validateOptions } from '../options/validate.js';
import type { ValidatedOptions } from '../options/validated.js';
import { enrich } from '../preflight/enrich.js';
import { checkFeatures, checkListening, checkPipes, checkProcess } from './dump-checks.js';
import { type DumpPromise, withStatus } from './dump-promise.js';
import { nativeRequest } from './dump-request.js';
import { failure } from './failure.js';
import type { DumpRequest, Place } from './request.js';

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
 * Dumps a process and its children.
 *
 * @param pid - The root of the tree.
 * @throws TypeError, RangeError for a bad pid or option, before anything is touched.
 * @throws CriuError when CRIU fails; the process goes on.
 */
export function dump(pid: number, options: DumpOptions = {}): DumpPromise<DumpResult> {
  return withStatus(async (statusReady) => {
    const checked = validateOptions('dump', options);
    checkPid(pid);
    return await dumpProcess('dump', pid, checked, statusReady);
  });
}

/**
 * Dumps the memory of a process and its children, which go on running; a later dump with
 * `parentPath` then writes only what has changed.
 *
 * @param pid - The root of the tree.
 * @throws TypeError, RangeError for a bad pid or option, before anything is touched.
 * @throws CriuError `ERR_CRIU_FEATURE_MISSING` when the kernel does not track memory.
 */
export async function preDump(pid: number, options: PreDumpOptions = {}): Promise<DumpResult> {
  const checked = validateOptions('preDump', options);
  checkPid(pid);
  return await dumpProcess('preDump', pid, checked);
}

async function dumpProcess<C extends 'dump' | 'preDump'>(
  operation: C,
  pid: number,
  { criu = defaultCriu(), ...options }: ValidatedOptions[C],
  statusReady?: () => void,
): Promise<DumpResult> {
  const preDump = operation === 'preDump';
  return await withDeadline(operation, options, (deadline) =>
    runDump({
      operation,
      criu,
      pid,
      preDump,
      options,
      deadline,
      ...(statusReady === undefined ? {} : { statusReady }),
    }),
  );
}

/**
 * Runs one dump or pre-dump: everything is checked before anything is touched, and after a failure
 * the tree runs on and no images are left that look complete.
 */
export async function runDump(request: DumpRequest): Promise<DumpResult> {
  const start = performance.now();
  const { options, deadline } = request;
  requireRoot(request.operation);
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
  const { imagePath, workPath, existing, logFile } = options;
  const bound = <T>(step: Promise<T>, undone?: (value: T) => unknown): Promise<T> =>
    deadline.bound('directory', step, undone);
  if (fresh && deadline.isBounded) {
    const step = openFresh({ ...fresh, files: [] });
    const images = await bound(step, (directory) => directory && undo(directory));
    if (images) return { images };
  }
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
  return runNative(native, runner, deadline, () => request.statusReady?.());
}

/** CRIU kills the tasks after `post-dump` and before it answers; it may have died in between. */
function mayBeAllThatIsLeft({ pid }: DumpRequest, outcome: NativeOutcome): boolean {
  const isComplete = outcome.events.some(({ name }) => name === 'post-dump');
  return isComplete && !outcome.replied && !existsSync(`/proc/${pid}`);
}

/** Errors whose images are kept. */
const keptImages = new WeakSet<Error>();

function keepImages(error: AbortError | CriuError, images: OutputDirectory): Error {
  const place = readlinkSync(`/proc/self/fd/${images.fd}`);
  const told = withNote(error, `The tree is gone; its images are kept in ${place}`);
  keptImages.add(told);
  return told;
}

/** Statistics are not worth a failure. */
function statsOf({ stats }: NativeOutcome): DumpStats | undefined {
  try {
    return decodeDumpStats(stats);
  } catch {
    return undefined;
  }
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
