import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Scope } from '../scope.js';
import { until } from '../system/exec.js';
import { workloadBinary } from '../system/process.js';

/** The static binary of `preflight.c`. */
export const preflightBinary = (): Promise<string> => workloadBinary('preflight');

/** A workload that has situations. */
type Program = 'preflight' | 'refused' | 'unrestorable';

export interface Situation {
  pid: number;
  /** The numbers that it reported. */
  numbers: number[];
}

/** Starts `PROGRAM READY-FILE MODE ARGUMENT...` in a session of its own and waits until it is there. */
export async function startSituation(
  scope: Scope,
  args: readonly (string | number)[],
  stdout: 'ignore' | 'pipe' = 'ignore',
  program: Program = 'preflight',
): Promise<Situation> {
  const readyFile = resolve(await scope.directory(), 'ready');
  const child = spawn(await workloadBinary(program), [readyFile, ...args.map(String)], {
    detached: true,
    stdio: ['ignore', stdout, 'ignore'],
    cwd: '/',
  });
  const gone = new Promise((settle) => child.once('exit', settle));
  scope.defer(async () => {
    // Its children outlive it otherwise.
    if (child.exitCode === null && child.signalCode === null && child.pid !== undefined) {
      process.kill(-child.pid, 'SIGKILL');
    }
    await gone;
  });
  const report = await until(`${program} ${args.join(' ')} is ready`, async () => {
    if (child.exitCode !== null)
      throw new Error(`${program} ${args.join(' ')} ended: ${child.exitCode}`);
    const text = await readFile(readyFile, 'utf8').catch(() => '');
    return text.endsWith('\n') ? text.trim() : undefined;
  });
  if (child.pid === undefined) throw new Error('no pid');
  return { pid: child.pid, numbers: (report.match(/\d+/g) ?? []).map(Number) };
}
