import { readFileSync } from 'node:fs';
import { CriuError } from '../base/errors.js';
import type { FindingCode } from '../base/finding.js';
import { sentence } from '../base/sentence.js';
import { Budget } from '../linux/procfs.js';
import { type Inspection, inspect } from '../preflight/inspect.js';

/** What CRIU would refuse in this process, and is told by name before it is asked. */
const refused: ReadonlySet<FindingCode> = new Set([
  'file-hidden',
  'file-outside',
  'io-uring',
  'mount-deleted',
  'proc-file',
  'scheduling-policy',
  'sealed-mapping',
  'session',
  'task-traced',
  'terminal',
  'unix-journal',
  'unsupported-descriptor',
  'unsupported-device',
  'unsupported-mapping',
]);
/** For how long to look. */
const patienceMs = 1_500;

/**
 * Looks for what cannot be saved of this process.
 *
 * @throws CriuError `ERR_NOT_CHECKPOINTABLE`, which names the descriptor.
 */
export async function refuseObstacles(inspection: Inspection): Promise<void> {
  const findings = (await inspect(inspection, new Budget(patienceMs))) ?? [];
  const found = findings.filter(
    ({ code, severity, pid }) => severity !== 'notice' && refused.has(code) && !isOurs(pid),
  );
  const [first] = found;
  if (first === undefined) return;
  const more = found.length > 1 ? `. And ${found.length - 1} more findings` : '';
  throw new CriuError('ERR_NOT_CHECKPOINTABLE', sentence`${first.sentence}${more}`, {
    operation: 'checkpointSelf',
    stage: 'process',
    findings: found,
  });
}

/** A criu or a guard that is about to be ended. */
function isOurs(pid: number): boolean {
  try {
    return /^criu(?:_guard)?$/m.test(readFileSync(`/proc/${pid}/comm`, 'utf8'));
  } catch {
    return true; // gone
  }
}
