import { constants } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type AbortError, CriuError, invalidArgValue, withNote } from '../base/errors.js';
import { type Scope, withScope } from '../base/scope.js';
import type { Criu } from '../criu/criu.js';
import { HookRunner, restoreHooks } from '../criu/hooks.js';
import type { Installation } from '../criu/locate.js';
import { versionText } from '../criu/program.js';
import { warningsOf } from '../criu/result.js';
import { type Outcome, runNative } from '../criu/run.js';
import { restoreStages } from '../criu/stages.js';
import { type OutputDirectory, openImages } from '../images/directory.js';
import { type Manifest, readManifest } from '../images/manifest.js';
import { type Bound, lockLog, Outputs, openLogDirectory } from '../images/outputs.js';
import { pidsAmongOurs } from '../images/pstree.js';
import { noteOnContainer } from '../images/saved-container.js';
import { decodeRestoreStats, readableStats } from '../images/stats.js';
import { noteOnVersions } from '../images/version.js';
import { logOnly } from '../images/writing.js';
import { cgroupYard } from '../linux/cgroup-yard.js';
import { realHost } from '../linux/host.js';
import { tryReadProcessStat } from '../linux/process-stat.js';
import { signalName } from '../linux/signal-name.js';
import { nativeAddon } from '../native/addon.js';
import type { NativeExit, NativeRequest } from '../native/contract.js';
import { criuNumber, toFields } from '../options/fields.js';
import type { InheritedFd } from '../options/inherited-fd.js';
import type { RestoreOptions } from '../options/types.js';
import type { ValidatedOptions } from '../options/validated.js';
import { type PreparedClone, prepareClone } from './clone.js';
import { cloneOutputs } from './clone-outputs.js';
import { followLog, logFileOf, toldFields, withConfigFile } from './config.js';
import { failure } from './failure.js';
import { reopenJournal } from './journal.js';
import { requireKnownOptions } from './known-options.js';
import { killLeftovers, nowInTicks, untilEnded } from './leftovers.js';
import { movedOutput } from './moved-output.js';
import { nothingReplaced, type Replacements, replacements, toldIn } from './new-life.js';
import { openPidFile } from './pid-file.js';
import type { OperationRequest } from './request.js';
import { type ChildExit, type RestoreResult, timingsOf } from './restore-result.js';
import { restoreService } from './restore-service.js';
import { requireFresh } from './stale.js';
import { inTurn, lockOf } from './turn.js';

/** One restore as the core runs it. */
export interface RestoreRequest extends OperationRequest {
  operation: 'restore';
  /** Absolute. */
  imagePath: string;
  options: Omit<ValidatedOptions['restore'], 'criu'>;
}

/** The stages of a restore that another program has carried out. */
const nothingKnown = restoreStages({ timeline: {}, events: [] });

/** For how long a pid of the images may still belong to a process that is gone but not reaped. */
const reapingMs = 5_000;

/** Restores the tree, as its options say. */
export async function restoreTree(request: RestoreRequest): Promise<RestoreResult> {
  const { options, deadline } = request;
  return await withScope(async (scope) => {
    const { pidFile: path } = options;
    const pidFile =
      path === undefined ? undefined : await deadline.bound('directory', openPidFile(path));
    if (pidFile !== undefined) scope.defer(pidFile.close);
    const result = await runAsAsked(request);
    pidFile?.write(result.pid);
    return result;
  });
}

async function runAsAsked(request: RestoreRequest): Promise<RestoreResult> {
  const { imagePath, options, deadline } = request;
  const { unit, workPath = imagePath, logFile } = options;
  if (unit === undefined) return await runRestore(request);
  if (request.log?.isWanted) {
    await deadline.bound('directory', request.log.attach(join(workPath, logFile)));
  }
  const pid = await restoreService({ imagePath, unit, options, deadline });
  const durationMs = performance.now() - deadline.startedAt;
  return {
    pid,
    imagePath,
    logFile: join(workPath, logFile),
    stats: undefined,
    timings: {
      queuedMs: 0,
      prepareMs: 0,
      workerReadyMs: 0,
      criuMs: durationMs,
      finishMs: 0,
      stages: nothingKnown,
    },
    warnings: [],
    exited: undefined,
    channel: undefined,
    durationMs,
  };
}

/** Runs one restore: after a failure nothing of the tasks is left. */
async function runRestore(asked: RestoreRequest): Promise<RestoreResult> {
  const { criu, deadline } = asked;
  const { installation, version } = await deadline.bound('criu', criu.ready());
  const request = await withConfigFile(asked, asked.options.configFile);
  const { options } = request;
  refuseWithService(installation, options);
  requireKnownOptions(request, version);
  return await inTurn(request, async (scope) => {
    const turn = performance.now();
    const outputs = await openDirectories(request, scope);
    await followLog(request, outputs, scope);
    const { images } = outputs;
    const manifest = await deadline.bound('directory', readManifest(images.file('')));
    if (!options.allowStale) {
      await deadline.bound('directory', requireFresh(manifest, images.path, version));
    }
    const streams = await streamsOf(options, outputs, installation, scope);
    const replaced = await replacementsFor(installation, options, { images, manifest }, scope);
    const clone = options.pidNamespace && (await prepareClone(outputs, options, scope));
    const inheriting = withInherited(request, [
      ...streams,
      ...replaced.inherited,
      ...(clone?.inherited ?? []),
    ]);
    const native = await nativeRequest(inheriting, installation, outputs, clone);
    const hooks = new HookRunner(restoreHooks, options.hooks ?? {}, false, deadline);
    const run = native.clone === undefined ? restoreOnceFree : restoreClone;
    const outcome = await run(request, native, hooks, outputs);
    const { pid } = outcome;
    const end = performance.now();
    return {
      pid,
      imagePath: outputs.images.path,
      logFile: logFileOf(request, outputs),
      stats: readableStats(decodeRestoreStats, outcome.stats),
      timings: timingsOf(outcome, { called: deadline.startedAt, turn, end }),
      warnings: warningsOf(outcome),
      exited: exitOf(outcome, options, clone),
      ...clone?.takeStreams(),
      channel: replaced.openChannel(),
      durationMs: end - deadline.startedAt,
    };
  });
}

/** The streams to the journal. A criu of a service does not get descriptors of ours. */
async function streamsOf(
  { journal }: RestoreOptions,
  { images }: Outputs,
  { service }: Installation,
  scope: Scope,
): Promise<InheritedFd[]> {
  if (journal === false || service !== undefined) return [];
  return await reopenJournal(images.file(''), scope);
}

/** What a process that has saved itself gets. A criu of a service does not get descriptors of ours. */
async function replacementsFor(
  { service }: Installation,
  options: RestoreOptions,
  { images, manifest }: { images: OutputDirectory; manifest: Manifest | undefined },
  scope: Scope,
): Promise<Replacements> {
  if (service !== undefined) return nothingReplaced;
  const { inherited, openChannel } = await replacements(options, images, scope);
  const moved = await movedOutput(manifest, images, scope);
  return { inherited: [...inherited, ...moved], openChannel };
}

function withInherited(request: RestoreRequest, added: readonly InheritedFd[]): RestoreRequest {
  const { options } = request;
  if (added.length === 0) return request;
  return {
    ...request,
    options: { ...options, inheritFd: [...(options.inheritFd ?? []), ...added] },
  };
}

/** The process of a `criu service` neither has our descriptors nor is a child of ours. */
function refuseWithService({ service }: Installation, options: RestoreOptions): void {
  if (service === undefined) return;
  for (const name of ['inheritFd', 'restoreSibling', 'journal', 'pidNamespace'] as const) {
    if (options[name]) {
      throw invalidArgValue(name, 'none with a criu service', options[name]);
    }
  }
  const told = toldIn(options);
  // It may be a secret.
  if (told !== undefined) throw invalidArgValue(told, 'none with a criu service', '...');
}

async function openDirectories(request: RestoreRequest, scope: Scope): Promise<Outputs> {
  const { options, imagePath, deadline } = request;
  const { workPath, logFile, pidNamespace } = options;
  const lock = lockOf(request);
  const bound: Bound = (step, undo) => deadline.bound('directory', step, undo);
  if (pidNamespace !== undefined && workPath === undefined) {
    return await cloneOutputs(scope, { imagePath, logFile, lock, bound });
  }
  const getsLog = workPath === undefined;
  const log = getsLog ? logOnly(logFile) : undefined;
  const opened = openImages('imagePath', imagePath, log, lock);
  const images = scope.use(await bound(opened, (late) => late.close()));
  if (getsLog) {
    await lockLog(scope, 'imagePath', images, logFile, lock);
    return new Outputs(images, undefined, [logFile]);
  }
  const work = await openLogDirectory(scope, {
    option: 'workPath',
    path: workPath,
    logFile,
    lock,
    bound,
  });
  return new Outputs(images, work, [logFile]);
}

async function nativeRequest(
  request: RestoreRequest,
  installation: Installation,
  { images, work }: Outputs,
  clone: PreparedClone | undefined,
): Promise<NativeRequest> {
  const { options, criu } = request;
  // Elsewhere CRIU would mount in it what the images have of other hierarchies.
  const yard = (await realHost.unified()) ? await cgroupYard(realHost) : undefined;
  return {
    verb: 'restore',
    ...installation,
    environment: await criu.environment({ tar: options.tar }),
    fields: toldFields(request, {
      images_dir_fd: clone?.images ?? images.fd,
      ...(yard === undefined ? {} : { cgroup_yard: yard }),
      ...toFields(options),
      ...(options.hooks?.orphanPtsMaster ? { orphan_pts_master: true } : {}),
      ...(work ? { work_dir_fd: work.fd } : {}),
      // The first process of the namespace is the parent, which hears of the end in any case.
      ...(clone ? { rst_sibling: true } : {}),
      ...(clone?.native.cgroups
        ? { manage_cgroups_mode: criuNumber('manageCgroupsMode', 'ignore') }
        : {}),
    }),
    ...(clone ? { clone: clone.native } : { joinsSession: options.shellJob === true }),
    ...criu.workers,
  };
}

/** Runs the restore of a clone, whose pids are free. Of one that fails nothing is left by then. */
async function restoreClone(
  request: RestoreRequest,
  native: NativeRequest,
  hooks: HookRunner,
  outputs: Outputs,
): Promise<Outcome> {
  request.deadline.check('request');
  const outcome = await runNative(native, hooks, request.deadline);
  if (outcome.success) return outcome;
  throw await withNotes(await failure(request, outcome, outputs), request.criu, outputs);
}

/**
 * Runs the restore, and waits for a pid that is taken only by a process that is gone and that
 * nobody has reaped yet, as right after a dump. The root's pid is waited for beforehand, because
 * each request calls the hooks.
 */
async function restoreOnceFree(
  request: RestoreRequest,
  native: NativeRequest,
  hooks: HookRunner,
  outputs: Outputs,
): Promise<Outcome> {
  const { deadline } = request;
  const patience = performance.now() + reapingMs;
  const reading = pidsAmongOurs(outputs.images.file('pstree.img'));
  const pids = await deadline.bound('directory', reading);
  const [root] = pids;
  if (root !== undefined) await holderOf(root, patience, deadline.signal);
  for (;;) {
    deadline.check('request');
    const since = nowInTicks();
    const outcome = await runNative(native, hooks, deadline);
    if (outcome.success) return outcome;
    // CRIU has killed the tasks, unless it has died itself. The root may be a child of ours.
    const { binary } = native;
    const broken = { expected: pids, outcome, since, until: nowInTicks(), binary };
    if (!outcome.replied) await killLeftovers(broken);
    await reap(await untilEnded(pids, outcome, since));
    const error = await failure(request, outcome, outputs);
    const pid = takenPid(error);
    if (pid === undefined) throw await withNotes(error, request.criu, outputs);
    const holder = await holderOf(pid, patience, deadline.signal);
    if (holder !== undefined) throw taken(error as CriuError, pid, holder);
  }
}

/** CRIU reads what it does not understand until it says so, or dies of it. */
const criusFailures: ReadonlySet<string> = new Set(['ERR_CRIU_FAILED', 'ERR_CRIU_DIED']);

/** Adds to a failure of CRIU what the images tell: whose they are, and that another version has made them. */
async function withNotes(
  error: AbortError | CriuError,
  criu: Criu,
  { images }: Outputs,
): Promise<AbortError | CriuError> {
  if (!(error instanceof CriuError) || !criusFailures.has(error.code)) return error;
  const directory = images.file('');
  const version = await criu.version().catch(() => undefined);
  const notes = [
    version && (await noteOnVersions(directory, versionText(version))),
    await noteOnContainer(directory),
  ];
  const said = notes.filter((note) => note !== undefined);
  return said.reduce<AbortError | CriuError>((told, note) => withNote(told, note), error);
}

/** Reaps those of which we are the parent, and waits for none that does not end. */
async function reap(pids: readonly number[]): Promise<void> {
  for (const pid of pids.filter(isOurs)) {
    const isDead = tryReadProcessStat(pid)?.isDead === true;
    const reaped = nativeAddon().waitForChild(pid, isDead);
    if (isDead) await reaped;
  }
}

/** The pid that CRIU could not have because there is such a process or thread. */
function takenPid(error: Error): number | undefined {
  if (!(error instanceof CriuError)) return undefined;
  const { log } = error;
  const line = log.find((one) => /Can't fork for \d+: File exists/.test(one));
  const pid = /Can't fork for (\d+)/.exec(line ?? '')?.[1];
  return pid === undefined ? undefined : Number(pid);
}

/** The name of the process that has a pid, or undefined once it is free. A zombie is waited for. */
async function holderOf(
  pid: number,
  patience: number,
  signal: AbortSignal,
): Promise<string | undefined> {
  for (;;) {
    const stat = tryReadProcessStat(pid);
    if (stat === undefined) return undefined;
    if (!stat.isDead || signal.aborted) return stat.name;
    if (performance.now() > patience) return `${stat.name}, a zombie that nobody reaps`;
    await sleep(5);
  }
}

function taken(cause: CriuError, pid: number, holder: string): CriuError {
  const { stage, errno = constants.errno.EEXIST, log, logFile } = cause;
  return new CriuError(
    'ERR_PROCESS_EXISTS',
    `Cannot restore process ${pid}: there is another one of that id (${holder})`,
    { operation: 'restore', stage, errno, log, logFile, cause },
  );
}

function exitOf(
  { pid, ended }: Outcome,
  { restoreSibling }: RestoreOptions,
  clone: PreparedClone | undefined,
): Promise<ChildExit> | undefined {
  if (clone && ended) {
    return clone.atEnd(ended.then((exit) => toExit(exit ?? { code: 0, signal: 0 })));
  }
  if (restoreSibling) return exitOfChild(pid);
  // Without `restoreSibling` it is a child of ours if we are the init process, or stand in for it.
  // Nobody else would reap it then.
  if (isOurs(pid)) void nativeAddon().waitForChild(pid, false);
  return undefined;
}

function isOurs(pid: number): boolean {
  return tryReadProcessStat(pid)?.parent === process.pid;
}

async function exitOfChild(pid: number): Promise<ChildExit> {
  return toExit(await nativeAddon().waitForChild(pid, true));
}

function toExit({ code, signal }: NativeExit): ChildExit {
  return signal === 0 ? { code, signal: null } : { code: null, signal: signalName(signal) };
}
