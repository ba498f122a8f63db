import { type AbortError, type CriuError, withNote } from '../base/errors.js';
import { readTree } from '../linux/process-tree.js';
import { Budget, Procfs } from '../linux/procfs.js';
import type { NativeOutcome } from '../native/contract.js';

/** How the mappings of the code are called that CRIU puts into the tasks that it dumps. */
const crius = '/memfd:CRIUMFD';
/** Nobody waits for longer to be told. */
const budgetMs = 100;
/** A sentence has to stay readable. */
const mostNamed = 10;

/**
 * Says with an error that criu had to be killed, and what it has left in the tasks, which go on.
 *
 * @param root - The tree that it was to dump; none for a restore.
 */
export async function withAftermath(
  error: AbortError | CriuError,
  { killed, left }: Pick<NativeOutcome, 'killed' | 'left'>,
  root?: number,
): Promise<AbortError | CriuError> {
  if (!killed) return error;
  const ended = left
    ? 'criu did not let go in time and was killed, but has not ended: the kernel holds it up (state D)'
    : 'criu did not let go in time and was killed';
  return withNote(error, ended + (root === undefined ? '' : await leftIn(root)));
}

async function leftIn(root: number): Promise<string> {
  const proc = new Procfs();
  const budget = new Budget(budgetMs);
  const tree = await readTree(proc, root, budget);
  if (tree.length === 0) return `; process ${root} is gone`;
  const having: number[] = [];
  for (const { pid } of tree) {
    if (budget.isSpent) break;
    if ((await proc.text(`${pid}/maps`))?.includes(crius)) having.push(pid);
  }
  if (having.length === 0) return '';
  const more = having.length > mostNamed ? ` and ${having.length - mostNamed} more` : '';
  const named = having.slice(0, mostNamed).join(', ') + more;
  return `; its code is left in ${having.length === 1 ? 'process' : 'processes'} ${named}`;
}
