import type { Deadline } from '../base/deadline.js';
import { CriuError } from '../base/errors.js';
import type { Finding } from '../base/finding.js';
import { type Scope, withScope } from '../base/scope.js';
import { option, sentence } from '../base/sentence.js';
import { type Criu, defaultCriu } from '../criu/criu.js';
import type { HookEvent } from '../criu/hooks.js';
import type { LogFollower } from '../criu/log-follower.js';
import { type Host, realHost } from '../linux/host.js';
import { takeNamedLock } from '../locks/named-lock.js';
import type { CheckpointOptions } from '../options/types.js';
import type { ValidatedOptions } from '../options/validated.js';
import { findLeftOut } from '../preflight/left-out.js';
import type { DumpResult } from '../process/dump-result.js';
import { runDump } from '../process/run-dump.js';
import { lockOf } from '../process/turn.js';
import { ContainerCgroups } from './cgroups.js';
import { destroyContainer } from './destroy.js';
import { warnOfEngine } from './engines/after-kill.js';
import { findEngineProblems, refuseEngineProblems } from './engines/engine-problem.js';
import { placeInEngine } from './engines/place.js';
import { containerFields } from './fields.js';
import { findContainer } from './find.js';
import { requireTrustedHooks } from './poststop.js';
import type { Container } from './state/container.js';
import { readStatus, requireCheckpointable, untilStarted } from './state/status.js';

/** What a checkpoint has to tell. */
export interface CheckpointResult extends DumpResult {
  /** Its whole id, whatever it was asked for by. */
  containerId: string;
}

/** What is made of a container beside its images, and in step with them. */
export interface Companion {
  /** The directory that the images go into in the place of `imagePath`. */
  imagePath: string | undefined;
  /**
   * Called when the images are complete and the tasks still stand still. When it rejects, CRIU rolls
   * back.
   *
   * @param images - A path of the images directory that is good until then.
   */
  whileStill(images: string, event: HookEvent): Promise<void>;
  /**
   * Called when the dump has succeeded, and the tasks are gone or go on.
   *
   * @returns what the checkpoint has to tell instead of what it would.
   */
  succeeded(result: CheckpointResult): Promise<CheckpointResult>;
  /**
   * Called when any of it has failed.
   *
   * @returns the error that the checkpoint fails with.
   */
  failed(error: unknown): Promise<unknown>;
}

/** Prepares a companion, before anything is touched; undefined where there is none. */
export type MakeCompanion = (
  container: Container,
  options: CheckpointSettings,
  scope: Scope,
) => Promise<Companion | undefined>;

/** The options of a checkpoint, but for those that name the container and the CRIU. */
export type CheckpointSettings = Omit<
  ValidatedOptions['checkpoint'],
  'stateRoot' | 'engine' | 'inEngine' | 'criu'
>;

/** A checkpoint that is asked for. Its options and the id are checked. */
export interface AskedCheckpoint {
  id: string;
  options: ValidatedOptions['checkpoint'];
  deadline: Deadline;
  /** Called when lazy pages can be fetched. */
  statusReady: () => void;
  /** Is told where CRIU's log is. */
  log: LogFollower;
}

/** Checkpoints a container. */
export async function saveContainer(
  { id, options, deadline, statusReady, log }: AskedCheckpoint,
  makeCompanion: MakeCompanion,
): Promise<CheckpointResult> {
  const { stateRoot, engine, inEngine, criu = defaultCriu(), ...asked } = options;
  const found = findContainer(id, { root: stateRoot, engine });
  const container = await deadline.bound('container', found);
  const dumpOptions =
    inEngine === undefined ? asked : { ...asked, imagePath: placeInEngine(container, inEngine) };
  const request = { container, criu, options: dumpOptions, deadline, statusReady, log };
  return await withScope(async (scope) => {
    await lockContainer(scope, request);
    await deadline.bound('container', requireCheckpointable(container, realHost));
    const ends = endsContainer(dumpOptions);
    if (ends) await deadline.bound('container', requireTrustedHooks(container));
    const foreseen = await foresee(request, inEngine !== undefined);
    const uses = { freezes: dumpOptions.freezer !== 'ptrace', ends };
    const cgroups = scope.use(await ContainerCgroups.open(container, uses, realHost));
    const companion = await makeCompanion(container, dumpOptions, scope);
    const result = await inCompany(companion, async () => {
      const dumped = await dumpContainer(request, cgroups, companion, realHost);
      return await endContainer(request, cgroups, dumped);
    });
    return untilNow({ ...result, warnings: [...foreseen, ...result.warnings] }, deadline);
  });
}

/** One checkpoint of a container as it runs. */
interface ContainerRequest {
  container: Container;
  criu: Criu;
  options: CheckpointSettings;
  deadline: Deadline;
  statusReady: () => void;
  /** Is told where CRIU's log is. */
  log: LogFollower;
}

async function inCompany(
  companion: Companion | undefined,
  run: () => Promise<CheckpointResult>,
): Promise<CheckpointResult> {
  if (companion === undefined) return await run();
  try {
    return await companion.succeeded(await run());
  } catch (error) {
    throw await companion.failed(error);
  }
}

/**
 * Takes a container for one checkpoint, until its runtime's state of it is gone, too.
 *
 * @throws CriuError `ERR_CONTAINER_BUSY` when another checkpoint has it.
 */
async function lockContainer(scope: Scope, request: ContainerRequest): Promise<void> {
  const { id, stateDir } = request.container;
  const release = await takeNamedLock('container', stateDir, lockOf(request));
  if (release === undefined) {
    throw new CriuError(
      'ERR_CONTAINER_BUSY',
      sentence`Container ${JSON.stringify(id)} is being checkpointed already; ${option('wait', true)}
        waits for it`,
    );
  }
  scope.defer(release);
}

/**
 * What comes of the checkpoint as far as the container's engine goes.
 *
 * @param forEngine - Whether the engine is to restore it.
 * @returns warnings
 */
async function foresee(
  { container, criu, options, deadline }: ContainerRequest,
  forEngine: boolean,
): Promise<string[]> {
  if (options.preDump === true) return [];
  const finding = findEngineProblems(container, criu, realHost, forEngine);
  const problems = await deadline.bound('criu', finding);
  const ends = endsContainer(options);
  if (forEngine && ends) refuseEngineProblems(problems);
  const warnings = ends ? await deadline.bound('container', warnOfEngine(container)) : [];
  return [...warnings, ...problems.map(({ message }) => message)];
}

async function dumpContainer(
  request: ContainerRequest,
  cgroups: ContainerCgroups,
  companion: Companion | undefined,
  host: Host,
): Promise<DumpResult> {
  const { container, criu, deadline, statusReady, log } = request;
  const { imagePath = request.options.imagePath } = companion ?? {};
  const options = { ...request.options, imagePath };
  const preDump = options.preDump === true;
  const { fields, ...files } = await deadline.bound(
    'container',
    containerFields(container, { preDump }, host),
  );
  const { freezer } = cgroups;
  let leftOut: readonly Finding[] = [];
  const result = await runDump({
    operation: 'checkpoint',
    criu,
    pid: container.initPid,
    target: container,
    preDump,
    deadline,
    options: withContainersExternal(options, fields.external),
    fields,
    statusReady,
    log,
    ...(companion === undefined
      ? {}
      : { whileStill: (images, event) => companion.whileStill(images, event) }),
    // A freezer that was asked for is frozen instead of the container's own.
    ...(freezer === undefined || options.freezeCgroup !== undefined ? {} : { freezer }),
    ...files,
    // The container may have ended, and its pid gone to another, while CRIU was looked for.
    precondition: async () => {
      const status = await readStatus(container, host);
      await requireCheckpointable({ ...container, status }, host);
      await untilStarted(container, host);
      cgroups.check();
      if (freezer && !preDump) leftOut = findLeftOut(freezer, container.initPid);
    },
  });
  return { ...result, warnings: [...leftOut.map(({ message }) => message), ...result.warnings] };
}

/** Takes the container away if its tasks have ended with the dump, and adds that to the result. */
async function endContainer(
  { container, options }: ContainerRequest,
  cgroups: ContainerCgroups,
  result: DumpResult,
): Promise<CheckpointResult> {
  const ends = endsContainer(options);
  const dumped = performance.now();
  const warnings = ends ? await destroyContainer(container, cgroups) : [];
  const destroyMs = ends ? performance.now() - dumped : 0;
  return {
    ...result,
    containerId: container.id,
    warnings: [...result.warnings, ...warnings],
    timings: { ...result.timings, destroyMs },
  };
}

/** The result with all that has been done since the dump in its times. */
function untilNow(result: CheckpointResult, { startedAt }: Deadline): CheckpointResult {
  const durationMs = performance.now() - startedAt;
  const { timings } = result;
  const since = durationMs - result.durationMs - timings.destroyMs;
  return { ...result, durationMs, timings: { ...timings, finishMs: timings.finishMs + since } };
}

/** Options override fields; what is external by option adds to what the container needs. */
function withContainersExternal<T extends CheckpointOptions>(
  options: T,
  external: readonly string[] | undefined,
): T {
  if (options.external === undefined || external === undefined) return options;
  return { ...options, external: [...external, ...options.external] };
}

/** Whether the tasks are gone after a checkpoint with these options. */
export function endsContainer({ leaveRunning, leaveStopped, preDump }: CheckpointOptions): boolean {
  return leaveRunning !== true && leaveStopped !== true && preDump !== true;
}
