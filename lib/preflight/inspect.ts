import { type Finding, sortFindings } from '../base/finding.js';
import type { Criu } from '../criu/criu.js';
import { readTree } from '../linux/process-tree.js';
import { Budget, Procfs } from '../linux/procfs.js';
import type { CriuFields } from '../native/contract.js';
import type { DumpOptions } from '../options/types.js';
import { allowedBy } from './allowed.js';
import { checkConfiguration } from './checks/config.js';
import { checkDescriptors, type Gathered } from './checks/descriptors.js';
import { checkHugePages } from './checks/huge-pages.js';
import { checkMachine, readProgram } from './checks/machine.js';
import { checkMappings } from './checks/mappings.js';
import { checkMounts } from './checks/mounts.js';
import { checkSockets } from './checks/sockets.js';
import { checkSurroundings } from './checks/surroundings.js';
import { checkTasks } from './checks/tasks.js';
import { checkTerminals } from './checks/terminals.js';
import { findUnit } from './checks/unit.js';
import { startScan } from './scan.js';
import { findUnrestorable } from './unrestorable.js';

/** The dump that an inspection foresees. */
export interface Inspection {
  criu: Criu;
  /** The root of the tree. */
  pid: number;
  preDump: boolean;
  /** The options of the dump, validated. */
  options: DumpOptions;
  /** The fields that a runtime adds to the options. */
  fields?: CriuFields;
  /** Whether the process lets itself be dumped, by a criu outside of the tree. */
  isSelf?: boolean;
}

/**
 * Looks at a tree of processes as a dump with these options would find it, and touches nothing.
 *
 * @returns the findings, the worst first; undefined when the process is gone.
 */
export async function inspect(
  { criu, pid, preDump, options, fields, isSelf = false }: Inspection,
  budget: Budget = new Budget(),
  proc: Procfs = new Procfs(),
): Promise<Finding[] | undefined> {
  const allowed = await allowedBy(options, fields);
  const tasks = await readTree(proc, pid, budget);
  const started = await startScan(proc, budget, allowed, tasks);
  if (!started) return undefined;
  const { scan, findings } = started;
  await checkConfiguration(scan, options.configFile ?? fields?.config_file);
  await checkTasks(scan, isSelf);
  const program = await readProgram(criu);
  await checkMachine(scan, criu, program, { ...options, preDump });
  await checkSurroundings(scan, options);
  // The runtime of a container has systemd make its scope again.
  const unit = fields === undefined ? await findUnit(proc, pid) : undefined;
  if (unit) findings.push(unit);
  // A pre-dump saves memory and looks at nothing else.
  if (preDump) return sortFindings(findings);
  const gathered: Gathered = { sockets: new Map(), terminals: new Set() };
  const savesMaps = program?.savesBpfMaps ?? true;
  for (const task of tasks) {
    if (budget.isSpent) break;
    await checkDescriptors(scan, task, gathered, { savesMaps });
    await checkMappings(scan, task);
  }
  checkTerminals(scan, gathered.terminals);
  await checkHugePages(scan, program);
  await checkMounts(scan);
  await checkSockets(scan, gathered.sockets);
  if (options.allowUnrestorable !== true) {
    findings.push(...(await findUnrestorable(pid, async () => allowed, proc.root)));
  }
  return sortFindings(findings);
}
