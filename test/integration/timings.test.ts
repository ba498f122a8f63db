import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { Criu, checkpoint, type DumpResult, type DumpTimings } from '../helpers/api.js';
import { type Container, startContainer } from '../helpers/container.js';
import { sleep, until } from '../helpers/exec.js';
import { requireNeeds } from '../helpers/needs.js';
import { startWorkload } from '../helpers/process.js';
import { useScope } from '../helpers/scope.js';
import { startHeavyContainer } from './heavy-container.js';

const scope = useScope();
beforeAll(() => requireNeeds('root', 'criu', 'libcriu', 'runc', 'busybox', 'gcc'));

const members: readonly (keyof DumpTimings)[] = [
  'criuMs',
  'destroyMs',
  'freezeMs',
  'pauseMs',
  'queuedMs',
  'thawMs',
  'workerReadyMs',
];

/** What holds of every dump. */
function expectPlausible({ timings, stats, durationMs }: DumpResult): void {
  expect(Object.keys(timings).sort()).toEqual(members);
  for (const name of members) {
    const value = timings[name];
    expect(Number.isFinite(value), `${name} is ${value}`).toBe(true);
    expect(value, name).toBeGreaterThanOrEqual(0);
  }
  const { queuedMs, workerReadyMs, freezeMs, criuMs, thawMs, destroyMs, pauseMs = 0 } = timings;
  expect(criuMs).toBeGreaterThan(1);
  expect(pauseMs).toBeGreaterThan(0);
  expect(pauseMs).toBeLessThanOrEqual(durationMs);
  const parts = queuedMs + workerReadyMs + freezeMs + criuMs + thawMs + destroyMs;
  expect(parts).toBeLessThanOrEqual(durationMs);
  // What is between the parts is our own work, and the files'.
  expect(durationMs - parts).toBeLessThan(500);
  // CRIU's own figures lie within what we saw of CRIU.
  if (stats === undefined) throw new Error('no statistics');
  expect((stats.freezingTimeUs + stats.frozenTimeUs) / 1000).toBeLessThanOrEqual(criuMs + 1);
}

const save = (container: Container, name: string, more = {}) =>
  checkpoint(container.id, {
    root: container.stateRoot,
    imagePath: container.path(name),
    leaveRunning: true,
    ...more,
  });

describe('timings of', () => {
  test('a container that is left running', async () => {
    const container = await startContainer(scope);
    await save(container, 'warm-up');
    const result = await save(container, 'images');
    expectPlausible(result);
    const { freezeMs, criuMs, thawMs, pauseMs = 0, destroyMs, workerReadyMs } = result.timings;
    expect(destroyMs).toBe(0);
    // Far from the 100 ms of CRIU's own step.
    expect(freezeMs).toBeGreaterThan(0);
    expect(freezeMs).toBeLessThan(50);
    expect(workerReadyMs).toBeLessThan(50);
    expect(pauseMs).toBeGreaterThanOrEqual(criuMs);
    expect(pauseMs).toBeGreaterThanOrEqual(freezeMs + criuMs + thawMs - 1);
  });

  test('a container that ends', async () => {
    const container = await startContainer(scope);
    const result = await save(container, 'images', { leaveRunning: false });
    expectPlausible(result);
    expect(result.timings.destroyMs).toBeGreaterThan(0);
  });

  test("a container that is frozen by ptrace: CRIU's own figures", async () => {
    const container = await startContainer(scope);
    const result = await save(container, 'images', { freezer: 'ptrace' });
    expectPlausible(result);
    const { stats, timings } = result;
    expect(timings.freezeMs).toBe(0);
    expect(timings.thawMs).toBe(0);
    expect(timings.pauseMs).toBeCloseTo(
      ((stats?.freezingTimeUs ?? 0) + (stats?.frozenTimeUs ?? 0)) / 1000,
      6,
    );
  });

  test('a process', async () => {
    const { pid } = await startWorkload(scope, ['memory', 16]);
    const result = await new Criu().dump(pid, {
      leaveRunning: true,
      imagePath: join(await scope.directory(), 'images'),
    });
    expectPlausible(result);
    expect(result.timings).toMatchObject({ freezeMs: 0, thawMs: 0, destroyMs: 0 });
  });

  test('a dump that had to wait its turn', async () => {
    const criu = new Criu({ concurrency: 1 });
    const directory = await scope.directory();
    const [first, second] = [
      await startWorkload(scope, ['idle']),
      await startWorkload(scope, ['idle']),
    ];
    const holding = criu.dump(first.pid, {
      leaveRunning: true,
      imagePath: join(directory, 'first'),
      hooks: { preDump: () => sleep(200) },
    });
    await sleep(30);
    const waited = await criu.dump(second.pid, {
      leaveRunning: true,
      imagePath: join(directory, 'second'),
    });
    expectPlausible(waited);
    expect(waited.timings.queuedMs).toBeGreaterThan(100);
    // The waiting of the handler is CRIU's time.
    expect((await holding).timings.criuMs).toBeGreaterThanOrEqual(199);
  });

  test('a dump without a spare', async () => {
    const { pid } = await startWorkload(scope, ['idle']);
    const criu = new Criu({ workers: 0 });
    const directory = await scope.directory();
    for (const name of ['first', 'second', 'third']) {
      const result = await criu.dump(pid, { leaveRunning: true, imagePath: join(directory, name) });
      expectPlausible(result);
      expect(result.timings.workerReadyMs).toBeGreaterThan(0);
    }
  });
});

describe('pauseMs against a clock inside, ticking each millisecond', () => {
  interface Beat {
    number: number;
    ms: number;
  }

  function beats(log: string): Beat[] {
    const text = existsSync(log) ? readFileSync(log, 'utf8') : '';
    return text
      .slice(0, text.lastIndexOf('\n'))
      .split('\n')
      .map((line) => {
        const [number, microseconds] = line.split(' ').map(Number);
        return { number: number ?? 0, ms: (microseconds ?? 0) / 1000 };
      });
  }

  /** The longest time without a beat, among the beats from a number on. */
  function gap(log: string, from: number): number {
    let longest = 0;
    let before: Beat | undefined;
    for (const beat of beats(log)) {
      if (before !== undefined && beat.number > from) {
        longest = Math.max(longest, beat.ms - before.ms);
      }
      before = beat;
    }
    return longest;
  }

  /** Dumps some rounds, each of which has to be right; a busy machine gets room on both sides. */
  async function compare(log: string, dump: (round: number) => Promise<DumpResult>): Promise<void> {
    const last = (): number => beats(log).at(-1)?.number ?? 0;
    await until('it ticks', () => last() > 20);
    for (let round = 0; round < 5; round++) {
      const from = last();
      const { timings } = await dump(round);
      const back = last();
      await until('it ticks on', () => last() > back + 20);
      const seen = gap(log, from);
      const pauseMs = timings.pauseMs ?? Number.NaN;
      // It stood still for as long as is said, and not for much longer.
      expect(seen, `round ${round}: told ${pauseMs}`).toBeGreaterThan(pauseMs * 0.8 - 10);
      expect(seen, `round ${round}: told ${pauseMs}`).toBeLessThan(pauseMs * 1.3 + 60);
    }
  }

  test('in a container', async () => {
    const container = await startContainer(scope, {
      args: ['/workload', '-', 'count', '/beats', '1000'],
    });
    const log = join(container.rootfs, 'beats');
    await compare(log, (round) => save(container, `images-${round}`));
  });

  test('in a container of some processes with memory to write', async () => {
    const container = await startHeavyContainer(scope, { mebibytes: 64 });
    // Its own clock is coarse: 10 ms and a tick of 20 ms, by several programs.
    const { timings } = await save(container, 'images');
    await container.countsOn();
    const ticks = await container.ticks();
    const gaps = ticks.map(
      ({ seconds }, index) => seconds * 1000 - (ticks[index - 1]?.seconds ?? seconds) * 1000,
    );
    const longest = Math.max(...gaps);
    expect(longest).toBeGreaterThan((timings.pauseMs ?? 0) * 0.8 - 30);
    expect(longest).toBeLessThan((timings.pauseMs ?? 0) * 1.3 + 150);
  });

  test('in a process', async () => {
    const directory = await scope.directory();
    const log = join(directory, 'beats');
    const { pid } = await startWorkload(scope, ['count', log, 1_000]);
    const criu = new Criu();
    await compare(log, (round) =>
      criu.dump(pid, { leaveRunning: true, imagePath: join(directory, `images-${round}`) }),
    );
  });
});
