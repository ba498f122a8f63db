import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, beforeEach, expect, test } from 'vitest';
import { requireNeeds } from '../helpers/needs.js';
import { projectRoot } from '../helpers/paths.js';
import { useScope } from '../helpers/scope.js';
import { run, until } from '../helpers/system/exec.js';
import { assertNoLeak, settledHoldings } from '../helpers/system/leaks.js';
import { freePort } from '../helpers/system/port.js';
import {
  allProcesses,
  isAlive,
  processState,
  reachesState,
  startWorkload,
} from '../helpers/system/process.js';
import { startContainer } from '../helpers/workloads/container.js';

const scope = useScope();
beforeAll(() => requireNeeds('root', 'criu', 'libcriu', 'build', 'runc', 'busybox', 'gcc'));

const child = (name: string): string => join(projectRoot, 'test/helpers/children', name);

/** Large enough that its dump is still writing when something happens to it. */
const mebibytes = 256;

async function dumpInChild(
  target: number | string,
  options: Record<string, unknown>,
  what: string,
): Promise<{
  code: number | null;
  signal: string | null;
  stderr: string;
  outcome: Record<string, unknown>;
}> {
  const args = [child('dump.mjs'), String(target), JSON.stringify(options), what];
  const { code, signal, stdout, stderr } = await run(process.execPath, args);
  return { code, signal, stderr, outcome: JSON.parse(stdout || '{}') as Record<string, unknown> };
}

const runs = (pid: number): Promise<boolean> =>
  until(
    `process ${pid} goes on`,
    () => processState(pid)?.state === 'S' || processState(pid)?.state === 'R',
  );

/** Living programs of ours without a parent: a dead one waits for init. */
const orphans = (): number[] =>
  allProcesses()
    .filter(
      ({ name, parent, state }) => /^criu(_guard)?$/.test(name) && parent === 1 && state !== 'Z',
    )
    .map(({ pid }) => pid);

let before: number[];
beforeEach(() => {
  before = orphans();
});

/** None stays that the ended child was the parent of. */
const noCriu = (): Promise<boolean> =>
  until('no criu is left', () => orphans().every((pid) => before.includes(pid)));

test('a process ends by itself after a dump, quietly', async () => {
  const { pid } = await startWorkload(scope, ['idle']);
  const imagePath = join(await scope.directory(), 'images');
  const { code, stderr, outcome } = await dumpInChild(
    pid,
    { imagePath, leaveRunning: true },
    'wait',
  );
  expect(stderr).toBe('');
  expect(code).toBe(0);
  expect(outcome).toMatchObject({ result: { pid, imagePath } });
  await noCriu();
});

test('process.exit in the middle of a dump keeps its exit code, the process goes on, and no criu stays', async () => {
  const held = await settledHoldings();
  const { pid } = await startWorkload(scope, ['memory', mebibytes]);
  const imagePath = join(await scope.directory(), 'images');
  const { code, signal, stderr } = await dumpInChild(
    pid,
    { imagePath, leaveRunning: true },
    'exit',
  );
  expect({ code, signal, stderr }).toEqual({ code: 3, signal: null, stderr: '' });
  await noCriu();
  await runs(pid);
  await assertNoLeak(held, [pid]);
});

test('process.exit in the checkpoint of a container leaves it running and thawed', async () => {
  const container = await startContainer(scope, {
    args: ['/workload', '/ready', 'memory', String(mebibytes)],
  });
  const { code, stderr } = await dumpInChild(
    container.id,
    { stateRoot: container.stateRoot, imagePath: container.path('images') },
    'exit',
  );
  expect({ code, stderr }).toEqual({ code: 3, stderr: '' });
  await noCriu();
  await until('the container runs', () => container.isRunning);
  expect(await container.status()).toBe('running');
});

test('process.exit while lazy pages wait for a client lets the process go on, and no criu stays', async () => {
  const log = join(await scope.directory(), 'log');
  const { pid } = await startWorkload(scope, ['count', log, 5_000]);
  const imagePath = join(await scope.directory(), 'images');
  const options = {
    imagePath,
    lazyPages: true,
    pageServer: `127.0.0.1:${await freePort()}`,
  };
  const { code, stderr } = await dumpInChild(pid, options, 'exit-serving');
  expect({ code, stderr }).toEqual({ code: 3, stderr: '' });
  await noCriu();
  const { size } = statSync(log);
  await until('the process counts on', () => statSync(log).size > size);
});

test.each(['exit-serving', 'sigkill-serving'])(
  '%s while the lazy pages of a container wait for a client leaves it running with its network free',
  async (what) => {
    const container = await startContainer(scope);
    const inside = ['-n', '-t', String(container.pid)];
    const options = {
      stateRoot: container.stateRoot,
      imagePath: container.path('images'),
      lazyPages: true,
      pageServer: `127.0.0.1:${await freePort()}`,
    };
    const { stderr } = await dumpInChild(container.id, options, what);
    expect(stderr).toBe('');
    await noCriu();
    await container.countsOn();
    const { code, stdout } = await run('nsenter', [...inside, 'nft', 'list', 'ruleset']);
    expect({ code, stdout }).toEqual({ code: 0, stdout: '' });
  },
);

test('SIGKILL of the Node process in the middle of a dump lets the process go on, and no criu stays', async () => {
  const { pid } = await startWorkload(scope, ['memory', mebibytes]);
  const imagePath = join(await scope.directory(), 'images');
  const { signal } = await dumpInChild(pid, { imagePath, leaveRunning: true }, 'sigkill');
  expect(signal).toBe('SIGKILL');
  await noCriu();
  await runs(pid);
});

test('SIGKILL of the Node process in the checkpoint of a container leaves it running and thawed', async () => {
  const container = await startContainer(scope, {
    args: ['/workload', '/ready', 'memory', String(mebibytes)],
  });
  const options = { stateRoot: container.stateRoot, imagePath: container.path('images') };
  const { signal } = await dumpInChild(container.id, options, 'sigkill');
  expect(signal).toBe('SIGKILL');
  await noCriu();
  await until('the container runs', () => container.isRunning);
  expect(await container.status()).toBe('running');
});

test('SIGKILL of criu at the end of a dump is ERR_CRIU_DIED, and the process goes on', async () => {
  const { pid } = await startWorkload(scope, ['memory', mebibytes]);
  const imagePath = join(await scope.directory(), 'images');
  const { code, stderr, outcome } = await dumpInChild(pid, { imagePath }, 'kill-criu');
  expect(stderr).toBe('');
  expect(outcome).toMatchObject({
    code: 'ERR_CRIU_DIED',
    message: expect.stringMatching(/signal 9|SIGKILL/) as string,
  });
  expect(code).toBe(0);
  await runs(pid);
  expect(existsSync(join(imagePath, 'inventory.img'))).toBe(false);
});

test('SIGKILL of criu at the end of the checkpoint of a container is ERR_CRIU_DIED, and it runs thawed', async () => {
  const container = await startContainer(scope, {
    args: ['/workload', '/ready', 'memory', String(mebibytes)],
  });
  const { outcome } = await dumpInChild(
    container.id,
    { stateRoot: container.stateRoot, imagePath: container.path('images') },
    'kill-criu',
  );
  expect(outcome).toMatchObject({ code: 'ERR_CRIU_DIED' });
  await until('the container runs', () => container.isRunning);
  expect(await container.status()).toBe('running');
});

test('a dump whose criu was stopped for a while and continued succeeds', async () => {
  const { pid } = await startWorkload(scope, ['memory', mebibytes]);
  const imagePath = join(await scope.directory(), 'images');
  const { outcome } = await dumpInChild(pid, { imagePath, leaveRunning: true }, 'stop-criu');
  expect(outcome).toMatchObject({ result: { pid } });
  await runs(pid);
});

test('a stopped process is dumped and stays stopped', async () => {
  const { pid } = await startWorkload(scope, ['idle']);
  process.kill(pid, 'SIGSTOP');
  await reachesState(pid, 'T');
  const imagePath = join(await scope.directory(), 'images');
  const { outcome } = await dumpInChild(pid, { imagePath, leaveRunning: true }, 'wait');
  expect(outcome).toMatchObject({ result: { pid } });
  await reachesState(pid, 'T');
  process.kill(pid, 'SIGCONT');
  await runs(pid);
});

test('several workers dump at the same time, each its own process', async () => {
  const workloads = await Promise.all([1, 2, 3, 4].map(() => startWorkload(scope, ['threads', 3])));
  const pids = workloads.map(({ pid }) => pid);
  const directory = await scope.directory();
  const held = await settledHoldings();
  const { code, stdout, stderr } = await run(process.execPath, [
    child('workers.mjs'),
    directory,
    JSON.stringify(pids),
  ]);
  expect(stderr).toBe('');
  expect(code).toBe(0);
  const { dumped, last } = JSON.parse(stdout) as { dumped: number[][]; last: number };
  expect(dumped).toEqual(pids.map((pid) => Array(5).fill(pid)));
  expect(last).toBe(pids[0]);
  for (const pid of pids) expect(isAlive(pid)).toBe(true);
  await noCriu();
  await assertNoLeak(held);
});

test('worker.terminate in the middle of a dump lets the rest of the process and the target go on', async () => {
  const { pid } = await startWorkload(scope, ['memory', mebibytes]);
  const imagePath = join(await scope.directory(), 'images');
  const { code, signal, stderr } = await dumpInChild(
    pid,
    { imagePath, leaveRunning: true },
    'terminate',
  );
  expect({ code, signal, stderr }).toEqual({ code: 0, signal: null, stderr: '' });
  await noCriu();
  await runs(pid);
});
