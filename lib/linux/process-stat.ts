import { readFileSync } from 'node:fs';

/** What `/proc/PID/stat` tells of a process, as far as we ask. */
export interface ProcessStat {
  /** Of the command; any bytes but a zero. */
  name: string;
  /** R, S, D, T, t, Z, X, ... */
  state: string;
  /** Gone, but for what its parent has not asked yet. */
  isDead: boolean;
  parent: number;
  session: number;
  /** Device number of the controlling terminal; 0 for none. */
  terminal: number;
  /** PF_EXITING and others. */
  flags: number;
  /** In clock ticks after boot. */
  startTime: number;
}

export function parseProcessStat(text: string): ProcessStat {
  // The name may hold blanks and parentheses: what follows is counted from the last one.
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
  };
}

/** Undefined when there is no such process. */
export function readProcessStat(pid: number): ProcessStat | undefined {
  try {
    return parseProcessStat(readFileSync(`/proc/${pid}/stat`, 'latin1'));
  } catch {
    return undefined;
  }
}
