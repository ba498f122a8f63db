import type { ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** Processor time of qemu for the whole run; some 150 s is usual. */
const budgetMs = 900_000;
/** How long qemu may use none: a guest with nothing to do lets its time pass at once. */
const standstillMs = 120_000;
const intervalMs = 1_000;
/** A tick of the times in /proc: USER_HZ is 100 on every architecture of Linux that we run on. */
const tickMs = 10;

/**
 * Calls back, once, with why the machine will not get to its end. It is the processor time that is
 * looked at and not the clock, which goes on while other processes have the processors.
 *
 * @returns what ends the watch
 */
export function watch(qemu: ChildProcess, giveUp: (reason: string) => void): () => void {
  let usedMs = 0;
  let changedAt = performance.now();
  const timer = setInterval(() => {
    const nowMs = processorTimeMs(qemu.pid);
    if (nowMs === undefined) return; // it has ended, which is told elsewhere
    if (nowMs !== usedMs) changedAt = performance.now();
    usedMs = nowMs;
    const stoodStillMs = performance.now() - changedAt;
    if (usedMs > budgetMs) {
      clearInterval(timer);
      giveUp(`it did not end within ${budgetMs} ms of processor time`);
    } else if (stoodStillMs > standstillMs) {
      clearInterval(timer);
      giveUp(`it used no processor for ${Math.round(stoodStillMs)} ms`);
    }
  }, intervalMs);
  return () => clearInterval(timer);
}

/** What a process and its threads have used so far. */
function processorTimeMs(pid: number | undefined): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return (Number(fields[11]) + Number(fields[12])) * tickMs;
  } catch {
    return undefined;
  }
}
