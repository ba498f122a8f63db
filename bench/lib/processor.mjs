// @ts-check
import { cpus } from 'node:os';

/** For how long all cores together have been busy since the machine was started, milliseconds. */
export function busyMs() {
  return cpus().reduce(
    (sum, { times }) => sum + times.user + times.nice + times.sys + times.irq,
    0,
  );
}
