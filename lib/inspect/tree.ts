import type { ProcessReport } from './report.js';

/** A process at its place in the tree. */
export interface Branch {
  readonly process: ProcessReport;
  /** How many processes are above it. */
  readonly depth: number;
  /** Whether it is the last one below its parent. */
  readonly isLast: boolean;
}

/**
 * Processes in the order in which they stand in the tree, each before those below it. Those of a damaged
 * image that are below themselves come last, as roots.
 */
export function branchesOf(processes: readonly ProcessReport[]): Branch[] {
  const pids = new Set(processes.map(({ pid }) => pid));
  const children = new Map<number, ProcessReport[]>();
  const roots: ProcessReport[] = [];
  for (const process of processes) {
    const { pid, parentPid } = process;
    const isBelow = pids.has(parentPid) && parentPid !== pid;
    const siblings = isBelow ? (children.get(parentPid) ?? []) : roots;
    siblings.push(process);
    if (isBelow) children.set(parentPid, siblings);
  }
  const seen = new Set<number>();
  const branches: Branch[] = [];
  // Processes in a circle have no root, and so the first of them is taken for one.
  for (const start of [roots, ...processes.map((process) => [process])]) {
    const stack = below(start, 0, seen);
    for (let branch = stack.pop(); branch !== undefined; branch = stack.pop()) {
      const { pid } = branch.process;
      if (seen.has(pid)) continue;
      seen.add(pid);
      branches.push(branch);
      for (const next of below(children.get(pid) ?? [], branch.depth + 1, seen)) stack.push(next);
    }
  }
  return branches;
}

/** In reverse order, because the last one is taken first. */
function below(
  processes: readonly ProcessReport[],
  depth: number,
  seen: ReadonlySet<number>,
): Branch[] {
  const fresh = processes.filter(({ pid }) => !seen.has(pid));
  return fresh
    .map((process, at) => ({ process, depth, isLast: at === fresh.length - 1 }))
    .reverse();
}
