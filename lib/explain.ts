import { constants } from 'node:os';
import { CriuError, inOperation } from './base/errors.js';
import { type Finding, makeFinding, sortFindings } from './base/finding.js';
import { sentence, toApi } from './base/sentence.js';
import { ContainerCgroups } from './container/cgroups.js';
import { findEngineProblems } from './container/engines/engine-problem.js';
import { containerFields } from './container/fields.js';
import { findContainer } from './container/find.js';
import type { Container } from './container/state/container.js';
import { requireCheckpointable } from './container/state/status.js';
import { type Criu, defaultCriu } from './criu/criu.js';
import { realHost } from './linux/host.js';
import type { CheckpointOptions, DumpOptions } from './options/types.js';
import { checkTarget, type UnitTarget } from './options/unit-target.js';
import { validateOptions } from './options/validate.js';
import { inspect } from './preflight/inspect.js';
import { findLeftOut, findUnfrozen } from './preflight/left-out.js';
import { findService } from './units/find.js';

/**
 * Tells what would make CRIU fail to dump a process and its children, or needs an option that is
 * not given. Nothing is frozen, traced or changed: the processes are looked at through `/proc`,
 * and run on meanwhile, so that what they do next may change what is true.
 *
 * @param target - The root of the tree, or the service of systemd whose main process is.
 * @param options - Those that `dump` would get; what they cure is left out.
 * @returns The findings, the worst first; none when nothing stands in the way.
 * @throws TypeError, RangeError for a bad pid or option.
 * @throws CriuError `ERR_PROCESS_NOT_FOUND` when there is no such process.
 *
 * @example
 * ```ts
 * for (const { severity, message } of await explain(4711)) console.log(severity, message);
 * ```
 */
export async function explain(
  target: number | UnitTarget,
  options?: DumpOptions,
): Promise<Finding[]>;
/**
 * The same of a container of runc or crun, with what its runtime adds to the request.
 *
 * @param id - The container's id, or the name that its engine has for it.
 * @param options - Those that `checkpoint` would get.
 * @throws CriuError `ERR_CONTAINER_NOT_FOUND`, `ERR_CONTAINER_STATE`, `ERR_CONTAINER_CORRUPT` for
 * what is wrong with the container.
 */
export async function explain(id: string, options?: CheckpointOptions): Promise<Finding[]>;
export async function explain(
  target: number | string | UnitTarget,
  options: DumpOptions | CheckpointOptions = {},
): Promise<Finding[]> {
  return await inOperation('explain', () =>
    typeof target === 'string'
      ? explainContainer(target, options as CheckpointOptions)
      : explainProcess(target, options as DumpOptions),
  );
}

async function explainProcess(given: unknown, options: DumpOptions): Promise<Finding[]> {
  const expected = 'the id of a process as a number or of a container as a string';
  const target = checkTarget(given, 'target', expected);
  const { criu = defaultCriu(), ...asked } = validateOptions('dump', options);
  const isPid = typeof target === 'number';
  const pid = isPid ? target : (await findService(target.unit)).pid;
  const checked = isPid ? asked : { journal: true, ...asked };
  const found = await inspect({ criu, pid, preDump: false, options: checked });
  if (found) return found;
  const advice = toApi('; pass a string for a container');
  throw new CriuError('ERR_PROCESS_NOT_FOUND', sentence`There is no process ${pid}${advice}`, {
    errno: constants.errno.ESRCH,
  });
}

async function explainContainer(id: string, options: CheckpointOptions): Promise<Finding[]> {
  const {
    stateRoot,
    engine,
    inEngine,
    criu = defaultCriu(),
    ...checked
  } = validateOptions('checkpoint', options);
  const container = await findContainer(id, { root: stateRoot, engine });
  await requireCheckpointable(container, realHost);
  const preDump = checked.preDump === true;
  const { fields } = await containerFields(container, { preDump });
  const { external: added = [] } = fields;
  const found = await inspect({
    criu,
    pid: container.initPid,
    preDump,
    // Options override fields, except for external resources, which add up.
    options: checked.external ? { ...checked, external: [...added, ...checked.external] } : checked,
    fields,
  });
  if (found) {
    const theirs = await engineFindings(container, criu, inEngine !== undefined);
    return sortFindings([...found, ...(await cgroupFindings(container, checked)), ...theirs]);
  }
  throw new CriuError(
    'ERR_CONTAINER_STATE',
    `Container ${JSON.stringify(id)} ended while it was looked at`,
  );
}

/** What stands in the way of a restore by the container's engine. */
async function engineFindings(
  container: Container,
  criu: Criu,
  forEngine: boolean,
): Promise<Finding[]> {
  const problems = await findEngineProblems(container, criu, realHost, forEngine);
  const pid = container.initPid;
  return problems.map(({ finding, message, code, engine }) => {
    const severity = forEngine && code !== undefined ? 'fails' : 'notice';
    return makeFinding({ code: finding, severity, pid, subject: engine, message });
  });
}

/** What the container's cgroups tell: whether they are its own, and who in them is left out. */
async function cgroupFindings(
  container: Container,
  { freezer: kind, preDump }: CheckpointOptions,
): Promise<Finding[]> {
  const uses = { freezes: kind !== 'ptrace', ends: false };
  const cgroups = await ContainerCgroups.open(container, uses, realHost);
  try {
    const { freezer } = cgroups;
    const findings = [...cgroups.findings()];
    if (freezer === undefined || preDump === true) return findings;
    const { initPid } = container;
    const leftOut = [...findLeftOut(freezer, initPid), ...findUnfrozen(freezer, initPid)];
    return [...findings, ...leftOut];
  } finally {
    cgroups.close();
  }
}
