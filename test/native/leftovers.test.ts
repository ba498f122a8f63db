import { type ChildProcess, spawn } from 'node:child_process';
import { realpathSync } from 'node:fs';
import { beforeAll, expect, test } from 'vitest';
import type { NativeOutcome } from '../../lib/native/contract.js';
import { killLeftovers, nowInTicks } from '../../lib/process/leftovers.js';
import { requireNeeds } from '../helpers/needs.js';
import { useScope } from '../helpers/scope.js';
import { sleep } from '../helpers/system/exec.js';
import { isAlive } from '../helpers/system/process.js';

const scope = useScope();
beforeAll(() => requireNeeds('build'));

/** Longer than the kernel's clock needs to go on. */
const tickMs = 30;

function startSleeper(): { pid: number; child: ChildProcess } {
  const child = spawn('sleep', ['60'], { stdio: 'ignore' });
  scope.defer(() => child.kill('SIGKILL'));
  return { pid: child.pid ?? 0, child };
}

const outcome = { events: [] as NativeOutcome['events'], pid: 0 } as NativeOutcome;
const sleeper = realpathSync('/bin/sleep');

/** What has the pid: started before criu, while it ran, or after it had died; what program it is. */
test.each([
  ['started while criu ran', { from: -1000, to: 1000 }, '/criu', true],
  ['that was there before criu', { from: 1000, to: 2000 }, '/criu', false],
  ['that was there before criu, of the same program', { from: 1000, to: 2000 }, sleeper, false],
  ['started by a task when criu had died', { from: -2000, to: -1000 }, sleeper, true],
  ['that has got the pid since', { from: -2000, to: -1000 }, '/bin/sh', false],
  ['that has got the pid since, criu being gone', { from: -2000, to: -1000 }, '/gone', false],
])('a process %s is a leftover or not', async (_what, { from, to }, binary, expected) => {
  await sleep(tickMs);
  const { pid } = startSleeper();
  const now = nowInTicks();
  await sleep(tickMs);
  const killed = await killLeftovers({
    expected: [pid],
    outcome,
    since: now + from,
    until: now + to,
    binary,
  });
  expect(killed).toEqual(expected ? [pid] : []);
  expect(isAlive(pid)).toBe(!expected);
});
