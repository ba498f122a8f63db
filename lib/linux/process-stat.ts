import { readFileSync } from 'node:fs';
import { errnoOf } from '../base/errors.js';

/** The fields of `/proc/PID/stat` that the package looks at. */
interface ProcessStat {
  /** The name of the command, which can hold any bytes but a zero. */
  name: string;
  /** The kernel's letter: R, S, D, T, t, Z, X, ... */
  state: string;
  /** Whether the process has ended, and is there only until its parent has asked how. */
  isDead: boolean;
  parent: number;
  session: number;
  /** Device number of the controlling terminal; 0 for none. */
  terminal: number;
  /** The kernel's `PF_` flags, such as PF_EXITING. */
  flags: number;
  /** The time of its start, in clock ticks after boot. */
  startTime: number;
  /** The number of the scheduling policy: 0 for SCHED_OTHER. */
  policy: number;
}

/** The times in `/proc` count in ticks of this many a second, on every platform of Linux. */
export const userHz = 100;

/** Parses the text of a stat file. */
export function parseProcessStat(text: string): ProcessStat {
  // The name may hold blanks and parentheses, so that fields are counted from the last parenthesis.
  const end = text.lastIndexOf(')');
  const fields = text.slice(end + 2).split(' ');
  const state = fields[0] ?? '';
  return {
    name: text.slice(text.indexOf('(') + 1, end),
    state,
    isDead: state === 'Z' || state === 'X',
    parent: Number(fields[1]),
    session: Number(fields[3]),
    terminal: Number(fields[4]),
    flags: Number(fields[6]),
    startTime: Number(fields[19]),
    policy: Number(fields[38]),
  };
}

/**
 * Reads what the kernel tells of a process.
 *
 * @returns undefined when there is no such process.
 * @throws Error when that cannot be known, because no descriptor is left for instance: a process must
 * not be taken for one that has ended.
 */
export function readProcessStat(pid: number, procRoot = '/proc'): ProcessStat | undefined {
  try {
    // The name can hold bytes that are not UTF-8.
    return parseProcessStat(readFileSync(`${procRoot}/${pid}/stat`, 'latin1'));
  } catch (error) {
    const code = errnoOf(error);
    if (code === 'ENOENT' || code === 'ESRCH') return undefined;
    throw error;
  }
}

/** Does the same where the caller can do nothing about it when the process cannot be looked at. */
export function tryReadProcessStat(pid: number): ProcessStat | undefined {
  try {
    return readProcessStat(pid);
  } catch {
    return undefined;
  }
}
