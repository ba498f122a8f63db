import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { type CheckpointResult, checkpoint } from '../../helpers/api.js';
import { CriuLog } from '../../helpers/criu/criu-log.js';
import { requireNeeds } from '../../helpers/needs.js';
import { useScope } from '../../helpers/scope.js';
import { until } from '../../helpers/system/exec.js';
import { assertNoLeak, hasSpare, settledHoldings } from '../../helpers/system/leaks.js';
import { patientMs } from '../../helpers/system/patience.js';
import { isAlive, processState } from '../../helpers/system/process.js';
import { brokenTicks, gapsMs, startContainer } from '../../helpers/workloads/container.js';

const scope = useScope();
beforeAll(() => requireNeeds('root', 'criu', 'libcriu', 'runc', 'busybox', 'gcc'));

test('20 checkpoints in a row leave the container counting and nothing behind', async () => {
  const container = await startContainer(scope);
  const { stateRoot, id } = container;
  // The first one loads the addon and starts what is kept ready from then on.
  await checkpoint(id, { stateRoot, imagePath: container.path('warm-up'), leaveRunning: true });
  await container.countsOn();
  const before = await settledHoldings([container.pid], hasSpare);
  const startedAt = (await container.ticks()).length;
  const results: CheckpointResult[] = [];
  for (let round = 0; round < 20; round++) {
    const imagePath = container.path(`images-${round}`);
    results.push(await checkpoint(id, { stateRoot, imagePath, leaveRunning: true }));
    expect(container.freezer).toBe('THAWED');
    await container.countsOn(1);
  }
  await container.countsOn();
  const ticks = (await container.ticks()).slice(startedAt);
  const frozenMs = results.map(({ stats }) => {
    if (stats === undefined) throw new Error('no statistics');
    return (stats.freezingTimeUs + stats.frozenTimeUs) / 1000;
  });
  // A tick of 20 ms, a clock of 10 ms, two cores that criu and the counter's programs share. Each of
  // the dumps makes a gap; a machine that stands still makes some of its own.
  const limitMs = Math.max(...frozenMs) + patientMs(130);
  expect(gapsMs(ticks).filter((ms) => ms >= limitMs).length).toBeLessThan(5);
  expect(Math.max(...gapsMs(ticks))).toBeLessThan(limitMs + patientMs(2_000));
  expect(brokenTicks(ticks)).toEqual([]);
  expect(await container.status()).toBe('running');
  const members = readFileSync(join(container.freezerPath, 'cgroup.procs'), 'utf8')
    .trim()
    .split('\n');
  await assertNoLeak(before, members.map(Number));
});

test('a checkpoint ends the container and runc restore brings it back where it stopped', async () => {
  const container = await startContainer(scope);
  const { stateRoot, id, pid } = container;
  const cgroup = container.freezerPath;
  const imagePath = container.path('images');
  const result = await checkpoint(id, { stateRoot, imagePath });
  const stopped = await container.ticks();
  expect(isAlive(pid)).toBe(false);
  expect(existsSync(join(stateRoot, id))).toBe(false);
  expect(existsSync(cgroup)).toBe(false);
  expect(await container.status()).toBeUndefined();
  expect(result).toMatchObject({
    containerId: id,
    pid,
    imagePath,
    logFile: join(imagePath, 'dump.log'),
  });
  expect(result.stats?.pagesWritten).toBeGreaterThan(0);
  expect(result.stats?.frozenTimeUs).toBeGreaterThan(0);
  expect(result.durationMs).toBeGreaterThan(0);
  expect(result.warnings).toEqual([]);
  expect(statSync(imagePath).mode & 0o777).toBe(0o700);
  expect(statSync(join(imagePath, 'descriptors.json')).mode & 0o777).toBe(0o600);
  expect(JSON.parse(readFileSync(join(imagePath, 'descriptors.json'), 'utf8'))).toEqual([
    '/dev/null',
    '/dev/null',
    '/dev/null',
  ]);
  await container.restore(imagePath);
  await container.countsOn(10);
  const ticks = await container.ticks();
  expect(container.isRunning).toBe(true);
  expect(ticks.length).toBeGreaterThan(stopped.length);
  expect(brokenTicks(ticks)).toEqual([]);
});

test('runc restores a checkpoint that left the container running, once that one is gone', async () => {
  const container = await startContainer(scope, { args: ['/workload', '-', 'idle'] });
  const imagePath = container.path('images');
  await checkpoint(container.id, { stateRoot: container.stateRoot, imagePath, leaveRunning: true });
  expect(container.isRunning).toBe(true);
  await container.runcOk('delete', '--force', container.id);
  await container.restore(imagePath);
  expect(await container.status()).toBe('running');
  expect(container.freezer).toBe('THAWED');
});

test('a restored container is checkpointed and restored again', async () => {
  const container = await startContainer(scope);
  for (const round of [1, 2, 3]) {
    const imagePath = container.path(`images-${round}`);
    await checkpoint(container.id, { stateRoot: container.stateRoot, imagePath });
    await container.restore(imagePath);
    await container.countsOn();
  }
  expect(brokenTicks(await container.ticks())).toEqual([]);
});

test('a paused container is checkpointed and stays paused', async () => {
  const container = await startContainer(scope);
  await container.pause();
  const imagePath = container.path('images');
  await checkpoint(container.id, { stateRoot: container.stateRoot, imagePath, leaveRunning: true });
  await until('it is frozen', () => container.freezer === 'FROZEN');
  expect(await container.status()).toBe('paused');
  const before = (await container.ticks()).length;
  await container.runcOk('resume', container.id);
  await container.countsOn();
  expect((await container.ticks()).length).toBeGreaterThan(before);
});

test('a failing dump leaves the container running, thawed, and says the cause', async () => {
  const container = await startContainer(scope, { args: ['/workload', '/ready', 'lock', '/lock'] });
  const before = await settledHoldings();
  const imagePath = container.path('images');
  await expect(
    checkpoint(container.id, { stateRoot: container.stateRoot, imagePath }),
  ).rejects.toMatchObject({
    name: 'CriuError',
    code: 'ERR_CRIU_FAILED',
    operation: 'checkpoint',
    message: expect.stringMatching(/file.locks/) as string,
    log: expect.arrayContaining([expect.stringMatching(/file.locks/)]) as string[],
  });
  expect(container.isRunning).toBe(true);
  expect(await container.status()).toBe('running');
  // What is left is the log, never images that look complete.
  const left = existsSync(imagePath) ? readdirSync(imagePath) : [];
  expect(left.filter((name) => name.endsWith('.img'))).toEqual([]);
  await assertNoLeak(before, [container.pid, process.pid]);
});

test('poststop hooks get the stopped state on their standard input', async () => {
  const container = await startContainer(scope, {
    configure: (config, { bundle }) => {
      config.hooks = { poststop: [{ path: join(bundle, 'hook'), args: ['hook', 'poststop'] }] };
    },
    start: 'create',
    args: ['/workload', '-', 'idle'],
  });
  const seen = join(container.bundle, 'seen');
  await writeFile(join(container.bundle, 'hook'), `#!/bin/sh\n/bin/cat > "${seen}"\n`);
  await chmod(join(container.bundle, 'hook'), 0o755);
  await container.runcOk('start', container.id);
  const imagePath = container.path('images');
  await checkpoint(container.id, { stateRoot: container.stateRoot, imagePath });
  expect(JSON.parse(readFileSync(seen, 'utf8'))).toMatchObject({
    id: container.id,
    status: 'stopped',
    bundle: container.bundle,
  });
});

test('the checkpoint marker of runc is there after leaveRunning, as runc leaves it', async () => {
  const [theirs, ours] = [await startContainer(scope), await startContainer(scope)];
  await theirs.runcOk('checkpoint', '--leave-running', '--image-path', theirs.path('i'), theirs.id);
  await checkpoint(ours.id, {
    stateRoot: ours.stateRoot,
    imagePath: ours.path('i'),
    leaveRunning: true,
  });
  const names = (container: typeof ours): string[] =>
    readdirSync(join(container.stateRoot, container.id)).sort();
  expect(names(ours)).toEqual(names(theirs));
});

test('a directory that the caller made is used, and its log is named by the result', async () => {
  const container = await startContainer(scope);
  const imagePath = container.path('made-before');
  await mkdir(imagePath);
  const { logFile } = await checkpoint(container.id, {
    stateRoot: container.stateRoot,
    imagePath,
    leaveRunning: true,
  });
  expect(new CriuLog(logFile).has(/Dumping finished successfully/)).toBe(true);
});

test('a whole tree and its threads are in the images, each once', async () => {
  const container = await startContainer(scope, {
    args: ['/workload', '/ready', 'children', '20'],
  });
  const imagePath = container.path('images');
  await checkpoint(container.id, { stateRoot: container.stateRoot, imagePath });
  expect(readdirSync(imagePath).filter((name) => name.startsWith('core-'))).toHaveLength(21);
  await container.restore(imagePath);
  const children = readFileSync(join(container.freezerPath, 'cgroup.procs'), 'utf8')
    .trim()
    .split('\n');
  expect(children).toHaveLength(21);
  expect(children.map((pid) => processState(Number(pid))?.name)).toContain('workload');
});
