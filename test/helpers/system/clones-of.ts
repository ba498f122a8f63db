import { allProcesses } from './process.js';

/** The programs of the clones of this process, by their pids for us. One that is being restored is none yet. */
export function clonePids(): number[] {
  const all = allProcesses();
  const inits = all.filter(({ name, parent }) => name === 'criu_init' && parent === process.pid);
  return all
    .filter(({ name, parent }) => name !== 'criu' && inits.some(({ pid }) => pid === parent))
    .map(({ pid }) => pid);
}
