import { CriuError } from '../base/errors.js';
import { type Finding, makeFinding, sortFindings } from '../base/finding.js';
import { type Criu, defaultCriu } from '../criu/criu.js';
import { realHost } from '../linux/host.js';
import type { CheckpointOptions } from '../options/types.js';
import type { ValidatedOptions } from '../options/validated.js';
import { inspect } from '../preflight/inspect.js';
import { findLeftOut, findUnfrozen } from '../preflight/left-out.js';
import { ContainerCgroups } from './cgroups.js';
import { findEngineProblems } from './engines/engine-problem.js';
import { containerFields } from './fields.js';
import { findContainer } from './find.js';
import type { Container } from './state/container.js';
import { requireCheckpointable } from './state/status.js';

/** What stands in the way of the checkpoint of a container. */
export async function explainContainer(
  id: string,
  { stateRoot, engine, inEngine, criu = defaultCriu(), ...checked }: ValidatedOptions['checkpoint'],
): Promise<Finding[]> {
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
