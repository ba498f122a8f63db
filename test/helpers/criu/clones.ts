import { readFileSync } from 'node:fs';
import { type CloneResult, type RestoreOptions, restore } from '../api.js';
import type { Scope } from '../scope.js';
import { isAlive, processState } from '../system/process.js';

/** A clone that has to be restored; it is killed in the end. */
export interface Clone extends CloneResult {
  /** The first process of its pid namespace, by its pid for us. */
  init: number;
  kill(): Promise<void>;
}

/** Restores a clone. */
export async function cloneOk(
  scope: Scope,
  imagePath: string,
  options: RestoreOptions = {},
): Promise<Clone> {
  const result = await restore(imagePath, { ...options, pidNamespace: 'new' });
  const { pid, exited } = result;
  const init = processState(pid)?.parent ?? 0;
  const kill = async (): Promise<void> => {
    if (isAlive(init)) process.kill(init, 'SIGKILL');
    await exited;
  };
  scope.defer(kill);
  return { ...result, init, kill };
}

/** The pids of a process: for us, and then in the namespaces within ours. */
export function pidsOf(pid: number): number[] {
  const status = readFileSync(`/proc/${pid}/status`, 'latin1');
  return (/^NSpid:\s*(.*)$/m.exec(status)?.[1] ?? '').split(/\s+/).map(Number);
}
