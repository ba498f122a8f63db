import { existsSync, readlinkSync } from 'node:fs';
import { type AbortError, CriuError, withNote } from '../base/errors.js';
import { late } from '../base/late.js';
import type { Scope } from '../base/scope.js';
import { dumpHooks, HookRunner, type Hooks } from '../criu/hooks.js';
import type { Installation } from '../criu/locate.js';
import { type Outcome, runNative } from '../criu/run.js';
import { adoptFresh, openFresh } from '../images/directory.js';
import { type Bound, Outputs, openOutputs, removeAndClose } from '../images/outputs.js';
import type { MemoryTracking } from '../images/tracking.js';
import type { Cgroup } from '../linux/cgroup-directory.js';
import type { FreshDirectory } from '../native/contract.js';
import { followLog } from './config.js';
import { nativeRequest } from './dump-request.js';
import { type Verdict, whatToKeep } from './dump-verdict.js';
import { failure } from './failure.js';
import { ProgressReporter } from './progress.js';
import type { DumpRequest } from './request.js';
import { lockOf } from './turn.js';

const explaining = late(() => import('../preflight/enrich.js'));

/** One dump that has been checked, when it is its turn. */
export interface DumpJob {
  request: DumpRequest;
  installation: Installation;
  /** What is frozen for it. */
  cgroup: Cgroup | undefined;
  tracking: MemoryTracking | undefined;
  /** Set while CRIU is asked, where somebody wants to hear of it. */
  progress?: ProgressReporter;
}

/** What became of a dump, and where it has written. */
interface WrittenDump {
  outputs: Outputs;
  verdict: Verdict;
}

/**
 * Opens the directories and has CRIU write into them. In the usual case, a directory that does not
 * exist yet, it is made by the native thread on its way to CRIU, which spares two of our own turns.
 *
 * @throws only what keeps CRIU from being asked, with nothing left behind.
 */
export async function writeImages(job: DumpJob, scope: Scope): Promise<WrittenDump> {
  return (await writeIntoNew(job, scope)) ?? (await writeIntoOpened(job, scope));
}

/** @returns undefined, with nothing touched, when more is needed than a new directory. */
async function writeIntoNew(job: DumpJob, scope: Scope): Promise<WrittenDump | undefined> {
  const { request } = job;
  // A file system that does not answer would hold up the native thread, beyond any time limit.
  if (!needsOnlyNew(job) || request.deadline.isBounded) return undefined;
  const { imageFiles: files = [], versionFile } = request;
  const notes = versionFile === undefined ? [] : [versionFile];
  const directory: FreshDirectory = { path: request.options.imagePath, files, notes };
  const outcome = await askCriu(job, directory);
  if (outcome.imagesFd === undefined) return undefined;
  const images = scope.use(adoptFresh(directory, outcome.imagesFd));
  const outputs = new Outputs(images, undefined, [request.options.logFile]);
  return { outputs, verdict: await judge(request, outcome, outputs) };
}

async function writeIntoOpened(job: DumpJob, scope: Scope): Promise<WrittenDump> {
  const { request, tracking } = job;
  const outputs = await openDirectories(job, scope);
  const { images } = outputs;
  try {
    await followLog(request, outputs, scope);
    if (tracking) await images.write(...tracking.imageFile);
    if (request.versionFile) await images.write(...request.versionFile);
    for (const file of request.imageFiles ?? []) await images.write(...file);
    await tracking?.begin();
    const outcome = await askCriu(job, outputs);
    return { outputs, verdict: await judge(request, outcome, outputs) };
  } catch (error) {
    return { outputs, verdict: { keep: keepOfUnknown(request, outputs), error } };
  } finally {
    // What is not kept goes next.
    await request.log?.detach();
  }
}

/** What is kept when it is not known how the dump went: images that may be all that is left of the tree. */
function keepOfUnknown({ pid }: DumpRequest, { images }: Outputs): 'log' | 'rescue' {
  const isLost = !existsSync(`/proc/${pid}`) && existsSync(images.file('inventory.img'));
  return isLost ? 'rescue' : 'log';
}

async function openDirectories(job: DumpJob, scope: Scope): Promise<Outputs> {
  const { options, deadline } = job.request;
  const { imagePath, workPath, existing, logFile } = options;
  const bound: Bound = (step, undo) => deadline.bound('directory', step, undo);
  // Without a time limit the native thread has already tried to make it.
  if (needsOnlyNew(job) && deadline.isBounded) {
    const made = openFresh({ path: imagePath, files: [], notes: [] });
    const images = await bound(made, (late) => late && removeAndClose(late));
    if (images) return new Outputs(scope.use(images), undefined, [logFile]);
  }
  return openOutputs(scope, {
    imagePath,
    workPath,
    existing,
    logs: [logFile],
    lock: lockOf(job.request),
    target: job.request.target,
    bound,
  });
}

/** Whether an images directory is all that is needed, if it does not exist yet; nobody looks into it meanwhile. */
function needsOnlyNew({ request: { options, log }, tracking }: DumpJob): boolean {
  const { workPath, onProgress } = options;
  if (log?.isWanted) return false;
  return [workPath, onProgress, tracking].every((one) => one === undefined);
}

/** Has CRIU write the images; throws only when it was not asked. */
async function askCriu(job: DumpJob, target: FreshDirectory | Outputs): Promise<Outcome> {
  const { request, installation, cgroup } = job;
  const { deadline } = request;
  const asked = nativeRequest(request, installation, target, cgroup);
  const native = await deadline.bound('request', asked);
  const frozenFirst = native.freezer !== undefined;
  const images = target instanceof Outputs ? target.images.file('') : target.path;
  const hooks = hooksOf(request, images);
  const runner = new HookRunner(dumpHooks, hooks, frozenFirst, deadline);
  const { lazyPages, onProgress } = request.options;
  if (onProgress === undefined || !(target instanceof Outputs)) {
    return runNative(native, runner, deadline, lazyPages ? request.statusReady : undefined);
  }
  const reporter = new ProgressReporter(onProgress, request, target);
  job.progress = reporter;
  const tell = (script: string): void => {
    reporter.reached(script);
    if (script === dumpHooks.scripts.statusReady) request.statusReady?.();
  };
  return await reporter.watch(request, runNative(native, runner, deadline, tell));
}

/** The caller's hooks, and ours behind the last that can veto. */
function hooksOf({ options: { hooks = {} }, whileStill }: DumpRequest, images: string): Hooks {
  if (whileStill === undefined) return hooks;
  return {
    ...hooks,
    postDump: async (event) => {
      await hooks.postDump?.(event);
      await whileStill(images, event);
    },
  };
}

/** Makes the error of a dump that has failed, and says what is kept. */
async function judge(request: DumpRequest, outcome: Outcome, outputs: Outputs): Promise<Verdict> {
  const keep = whatToKeep(outcome, request.pid);
  if (keep === 'images') {
    if (outcome.isComplete) return { keep, outcome };
    return { keep: 'log', error: withoutInventory(request) };
  }
  if (keep === 'log') {
    const error = await failure(request, outcome, outputs);
    return { keep, error: await explained(error, request) };
  }
  const where = readlinkSync(`/proc/self/fd/${outputs.images.fd}`);
  const note = `The tree is gone; its images are kept in ${where}`;
  return { keep, error: withNote(await failure(request, outcome, outputs), note) };
}

/** The error with what explains it, if that can be found. */
async function explained(
  error: AbortError | CriuError,
  request: DumpRequest,
): Promise<AbortError | CriuError> {
  const loaded = await explaining().catch(() => undefined);
  if (loaded === undefined) return error;
  return await loaded.enrich(error, request, request.deadline.leftToSettleMs);
}

/** The error of a success that is none: CRIU writes the inventory last, into complete images. */
function withoutInventory({ operation }: DumpRequest): CriuError {
  const message = 'CRIU said that it has saved the tasks, but its images have no inventory.img';
  return new CriuError('ERR_CRIU_FAILED', message, { operation, stage: 'postDump' });
}
