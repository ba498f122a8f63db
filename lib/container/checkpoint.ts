import { type Deadline, withDeadline } from '../base/deadline.js';
import { CriuError } from '../base/errors.js';
import type { Finding } from '../base/finding.js';
import { type Scope, withScope } from '../base/scope.js';
import { option, sentence } from '../base/sentence.js';
import { type Criu, defaultCriu } from '../criu/criu.js';
import { requireRoot } from '../criu/require-root.js';
import { type Host, realHost } from '../linux/host.js';
import { takeNamedLock } from '../locks/named-lock.js';
import type { CheckpointOptions } from '../options/types.js';
import { validateOptions } from '../options/validate.js';
import type { ValidatedOptions } from '../options/validated.js';
import { findLeftOut } from '../preflight/left-out.js';
import { runDump } from '../process/dump.js';
import { type DumpPromise, withStatus } from '../process/dump-promise.js';
import type { DumpResult } from '../process/dump-result.js';
import { lockOf } from '../process/turn.js';
import { ContainerCgroups } from './cgroups.js';
import { destroyContainer } from './destroy.js';
import { warnOfEngine } from './engines/after-kill.js';
import { findEngineCriuProblem, refuseEngineCriu } from './engines/engine-criu.js';
import { placeInEngine } from './engines/place.js';
import { containerFields } from './fields.js';
import { findContainer } from './find.js';
import { requireTrustedHooks } from './poststop.js';
import { parseReference } from './reference.js';
import type { Container } from './state/container.js';
import { validateId } from './state/id.js';
import { readStatus, requireCheckpointable, untilStarted } from './state/status.js';

/** What a checkpoint has to tell. */
export interface CheckpointResult extends DumpResult {
  /** Its whole id, whatever it was asked for by. */
  containerId: string;
}

/**
 * Checkpoints a running or paused container of runc or crun, as `runc checkpoint` does. The
 * container is gone afterwards, unless `leaveRunning` or `preDump` is set; after a failure it runs
 * on.
 *
 * @param id - The container's id.
 * @throws TypeError, RangeError for a bad id or option, before anything is touched.
 * @throws CriuError `ERR_CONTAINER_NOT_FOUND`, `ERR_CONTAINER_STATE`, `ERR_CONTAINER_CORRUPT`,
 * `ERR_CONTAINER_BUSY` for what is wrong with the container, `ERR_UNTRUSTED_PATH` for state or a hook
 * that another user can have written, others when CRIU fails.
 */
export function checkpoint(
  id: string,
  options: CheckpointOptions = {},
): DumpPromise<CheckpointResult> {
  return withStatus((statusReady) => runCheckpoint(id, options, statusReady));
}

async function runCheckpoint(
  id: string,
  options: CheckpointOptions,
  statusReady: () => void,
): Promise<CheckpointResult> {
  const start = performance.now();
  const {
    stateRoot,
    engine,
    inEngine,
    criu = defaultCriu(),
    ...asked
  } = validateOptions('checkpoint', options);
  if (stateRoot === undefined) parseReference(id, engine);
  else validateId(id);
  requireRoot('checkpoint');
  return await withDeadline('checkpoint', asked, async (deadline) => {
    const found = findContainer(id, { root: stateRoot, engine });
    const container = await deadline.bound('container', found);
    const dumpOptions =
      inEngine === undefined ? asked : { ...asked, imagePath: placeInEngine(container, inEngine) };
    const request = { container, criu, options: dumpOptions, deadline, statusReady };
    return await withScope(async (scope) => {
      await lockContainer(scope, request);
      await deadline.bound('container', requireCheckpointable(container, realHost));
      const ends = endsContainer(dumpOptions);
      if (ends) await deadline.bound('container', requireTrustedHooks(container));
      const foreseen = await foresee(request, inEngine !== undefined);
      const uses = { freezes: dumpOptions.freezer !== 'ptrace', ends };
      const cgroups = scope.use(await ContainerCgroups.open(container, uses, realHost));
      const dumped = await dumpContainer(request, cgroups, realHost);
      const result = await endContainer(request, cgroups, dumped);
      return {
        ...result,
        warnings: [...foreseen, ...result.warnings],
        durationMs: performance.now() - start,
      };
    });
  });
}

/** One checkpoint of a container as it runs. */
interface ContainerRequest {
  container: Container;
  criu: Criu;
  options: Omit<ValidatedOptions['checkpoint'], 'stateRoot' | 'engine' | 'inEngine' | 'criu'>;
  deadline: Deadline;
  statusReady: () => void;
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
  const finding = findEngineCriuProblem(container, criu, realHost);
  const problem = await deadline.bound('criu', finding);
  const ends = endsContainer(options);
  if (forEngine && ends) refuseEngineCriu(problem);
  const warnings = ends ? await deadline.bound('container', warnOfEngine(container)) : [];
  return problem === undefined ? warnings : [...warnings, problem.message];
}

async function dumpContainer(
  request: ContainerRequest,
  cgroups: ContainerCgroups,
  host: Host,
): Promise<DumpResult> {
  const { container, criu, options, deadline, statusReady } = request;
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
  const dumped = performance.now();
  const ends = endsContainer(options);
  const warnings = ends ? await destroyContainer(container, cgroups) : [];
  const destroyMs = ends ? performance.now() - dumped : 0;
  return {
    ...result,
    containerId: container.id,
    warnings: [...result.warnings, ...warnings],
    timings: { ...result.timings, destroyMs },
  };
}

/** Options override fields; what is external by option adds to what the container needs. */
function withContainersExternal<T extends CheckpointOptions>(
  options: T,
  external: readonly string[] | undefined,
): T {
  if (options.external === undefined || external === undefined) return options;
  return { ...options, external: [...external, ...options.external] };
}

function endsContainer({ leaveRunning, leaveStopped, preDump }: CheckpointOptions): boolean {
  return leaveRunning !== true && leaveStopped !== true && preDump !== true;
}
