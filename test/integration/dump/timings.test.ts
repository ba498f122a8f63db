import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { Criu, checkpoint, type DumpResult, type DumpTimings, dump } from '../../helpers/api.js';
import { restoreOk } from '../../helpers/criu/restored.js';
import { requireNeeds } from '../../helpers/needs.js';
import { useScope } from '../../helpers/scope.js';
import { sleep, until } from '../../helpers/system/exec.js';
import { patientMs } from '../../helpers/system/patience.js';
import { startWorkload } from '../../helpers/system/process.js';
import { type Container, gapsMs, startContainer } from '../../helpers/workloads/container.js';
import { startHeavyContainer } from '../../helpers/workloads/heavy-container.js';

const scope = useScope();
beforeAll(() => requireNeeds('root', 'criu', 'libcriu', 'runc', 'busybox', 'gcc'));

/** The figures that add up to the whole. */
const parts = [
  'criuMs',
  'destroyMs',
  'finishMs',
  'freezeMs',
  'prepareMs',
  'queuedMs',
  'thawMs',
  'workerReadyMs',
] as const;

const sumOf = (figures: readonly number[]): number => figures.reduce((sum, ms) => sum + ms, 0);

/** All of a call is in its parts, but for what the rounding of figures takes. */
function expectWhole(all: readonly number[], durationMs: number): void {
  for (const ms of all) expect(ms).toBeGreaterThanOrEqual(0);
  expect(Math.abs(sumOf(all) - durationMs)).toBeLessThan(durationMs * 0.001);
}

/** What holds of every dump. */
function expectPlausible({ timings, stats, durationMs }: DumpResult): void {
  expect(Object.keys(timings).sort()).toEqual([...parts, 'pauseMs', 'stages'].sort());
  expectWhole(
    parts.map((name) => timings[name]),
    durationMs,
  );
  const { criuMs, pauseMs = 0 } = timings;
  expect(criuMs).toBeGreaterThan(1);
  expect(pauseMs).toBeGreaterThan(0);
  expect(pauseMs).toBeLessThanOrEqual(durationMs);
  // CRIU's own figures lie within what we saw of CRIU.
  if (stats === undefined) throw new Error('no statistics');
  expect((stats.freezingTimeUs + stats.frozenTimeUs) / 1000).toBeLessThanOrEqual(criuMs + 1);
}

const save = (container: Container, name: string, more = {}) =>
  checkpoint(container.id, {
    stateRoot: container.stateRoot,
    imagePath: container.path(name),
    leaveRunning: true,
    ...more,
  });

describe('the timings of a dump add up for', () => {
  test('a container that is left running', async () => {
    const container = await startContainer(scope);
    await save(container, 'warm-up');
    const seen: DumpTimings[] = [];
    for (let round = 0; round < 5; round++) {
      const result = await save(container, `images-${round}`);
      expectPlausible(result);
      const { freezeMs, criuMs, thawMs, pauseMs = 0, destroyMs } = result.timings;
      expect(destroyMs).toBe(0);
      expect(freezeMs).toBeGreaterThan(0);
      expect(pauseMs).toBeGreaterThanOrEqual(criuMs);
      expect(pauseMs).toBeGreaterThanOrEqual(freezeMs + criuMs + thawMs - 1);
      seen.push(result.timings);
    }
    // Far from the 100 ms of CRIU's own step, but for a moment at which the machine stood still.
    expect(Math.min(...seen.map(({ freezeMs }) => freezeMs))).toBeLessThan(patientMs(50));
    expect(Math.min(...seen.map(({ workerReadyMs }) => workerReadyMs))).toBeLessThan(patientMs(50));
  });

  test('a container that ends, whose hook takes its time', async () => {
    const container = await startContainer(scope, {
      configure: (config) => {
        config.hooks = { poststop: [{ path: '/bin/sleep', args: ['sleep', '0.3'] }] };
      },
    });
    const result = await save(container, 'images', { leaveRunning: false });
    expectPlausible(result);
    expect(result.timings.destroyMs).toBeGreaterThanOrEqual(299);
  });

  test('a container of which an archive is made', async () => {
    const container = await startContainer(scope);
    const result = await save(container, 'images', { export: container.path('archive.tar') });
    expectPlausible(result);
    expect(result.timings.destroyMs).toBe(0);
  });

  test('a container that another operation has at first', async () => {
    const container = await startContainer(scope);
    const heldMs = patientMs(200);
    let reach = (): void => {};
    const isReached = new Promise<void>((done) => {
      reach = done;
    });
    const preDump = async (): Promise<void> => {
      reach();
      await sleep(heldMs);
    };
    const first = save(container, 'first', { hooks: { preDump } });
    await isReached;
    const second = await save(container, 'second', { wait: true });
    expectPlausible(second);
    expect(second.timings.queuedMs).toBeGreaterThan(heldMs / 2);
    expectPlausible(await first);
  });

  test('a directory in which there is something', async () => {
    const { pid } = await startWorkload(scope, ['idle']);
    const options = { leaveRunning: true, imagePath: join(await scope.directory(), 'images') };
    await dump(pid, options);
    // The first way to make the directory fails, and counts as well.
    expectPlausible(await dump(pid, { ...options, existing: 'replace' }));
  });

  test('a restore', async () => {
    const { pid, gone } = await startWorkload(scope, ['idle']);
    const imagePath = join(await scope.directory(), 'images');
    await dump(pid, { imagePath });
    await gone;
    const { timings, durationMs } = await restoreOk(scope, imagePath);
    const { stages: _, ...figures } = timings;
    const names = ['criuMs', 'finishMs', 'prepareMs', 'queuedMs', 'workerReadyMs'];
    expect(Object.keys(figures).sort()).toEqual(names);
    expectWhole(Object.values(figures), durationMs);
  });

  test("a container that is frozen by ptrace, with CRIU's own figures", async () => {
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
    const result = await dump(pid, {
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
    let reach = (): void => {};
    const isReached = new Promise<void>((done) => {
      reach = done;
    });
    let letGo = (): void => {};
    const released = new Promise<void>((done) => {
      letGo = done;
    });
    const preDump = (): Promise<void> => {
      reach();
      return released;
    };
    const holding = dump(first.pid, {
      criu,
      leaveRunning: true,
      imagePath: join(directory, 'first'),
      hooks: { preDump },
    });
    await isReached;
    const waiting = dump(second.pid, {
      criu,
      leaveRunning: true,
      imagePath: join(directory, 'second'),
    });
    // It is in the queue for most of this, however busy the machine is.
    const heldMs = patientMs(200);
    await sleep(heldMs);
    letGo();
    const waited = await waiting;
    expectPlausible(waited);
    expect(waited.timings.queuedMs).toBeGreaterThan(heldMs / 2);
    // The waiting of the handler is CRIU's time.
    expect((await holding).timings.criuMs).toBeGreaterThanOrEqual(heldMs - 1);
  });

  test('a dump without a spare', async () => {
    const { pid } = await startWorkload(scope, ['idle']);
    const criu = new Criu({ workers: 0 });
    const directory = await scope.directory();
    for (const name of ['first', 'second', 'third']) {
      const result = await dump(pid, {
        criu,
        leaveRunning: true,
        imagePath: join(directory, name),
      });
      expectPlausible(result);
      expect(result.timings.workerReadyMs).toBeGreaterThan(0);
    }
  });
});

describe('pauseMs agrees with a clock that ticks each millisecond', () => {
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

  /**
   * It stood still for as long as is said, and not for much longer. A machine that stands still makes
   * some rounds wrong, a figure that is wrong makes all so.
   */
  async function isToldRightly(
    dump: (round: number) => Promise<{ pauseMs: number; seenMs: number; roomMs: number }>,
  ): Promise<void> {
    const told: string[] = [];
    let right = 0;
    for (let round = 0; round < 12 && right < 3; round++) {
      const { pauseMs, seenMs, roomMs } = await dump(round);
      told.push(`told ${pauseMs}, seen ${seenMs}`);
      if (seenMs > pauseMs * 0.8 - roomMs / 5 && seenMs < pauseMs * 1.3 + roomMs) right += 1;
    }
    expect(right, told.join('; ')).toBe(3);
  }

  async function compare(log: string, dump: (round: number) => Promise<DumpResult>): Promise<void> {
    const last = (): number => beats(log).at(-1)?.number ?? 0;
    await until('it ticks', () => last() > 20);
    await isToldRightly(async (round) => {
      const from = last();
      const { timings } = await dump(round);
      const back = last();
      await until('it ticks on', () => last() > back + 20);
      return { pauseMs: timings.pauseMs ?? Number.NaN, seenMs: gap(log, from), roomMs: 60 };
    });
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
    await isToldRightly(async (round) => {
      const from = (await container.ticks()).length;
      const { timings } = await save(container, `images-${round}`);
      await container.countsOn();
      const seenMs = Math.max(...gapsMs((await container.ticks()).slice(from - 1)));
      // Its own clock is coarse: 10 ms and a tick of 20 ms, by several programs.
      return { pauseMs: timings.pauseMs ?? Number.NaN, seenMs, roomMs: 150 };
    });
  });

  test('in a process', async () => {
    const directory = await scope.directory();
    const log = join(directory, 'beats');
    const { pid } = await startWorkload(scope, ['count', log, 1_000]);
    const criu = new Criu();
    await compare(log, (round) =>
      dump(pid, { criu, leaveRunning: true, imagePath: join(directory, `images-${round}`) }),
    );
  });
});
