import { describe, expect, test } from 'vitest';
import { toOutcome } from '../../../lib/criu/stage.js';
import { dumpStages, restoreStages } from '../../../lib/criu/stages.js';
import type { DumpStats } from '../../../lib/images/stats.js';
import type { NativeDumpLog, NativeEvent, NativeOutcome } from '../../../lib/native/contract.js';

const stats: DumpStats = {
  freezingTimeUs: 400,
  frozenTimeUs: 50_000,
  memdumpTimeUs: 500,
  memwriteTimeUs: 250,
  pagesScanned: 0,
  pagesSkippedParent: 0,
  pagesWritten: 0,
  pagesLazy: 0,
  shpagesScanned: 0,
  shpagesSkippedParent: 0,
  shpagesWritten: 0,
};

/** A notification at which CRIU has waited for half a millisecond. */
const event = (name: string, at: number): NativeEvent => ({
  name,
  at,
  pid: 0,
  answered: at + 0.5,
});

/** The log's clock is another one. */
const log: NativeDumpLog = {
  lock: 5,
  tasks: 12,
  mounts: 17,
  fileLocks: 37,
  namespaces: 38,
  namespacesDone: 41,
  unlock: 43,
  resume: 53,
  done: 55,
  taskCgroups: 1.25,
  otherCgroups: 0.25,
};

const container: Partial<NativeOutcome> = {
  timeline: { sent: 10, replied: 66 },
  events: [
    event('pre-dump', 11),
    event('network-lock', 14),
    event('query-ext-files', 17),
    event('post-dump', 51),
    event('network-unlock', 52),
  ],
  log,
};

const told = (more: Partial<NativeOutcome> = {}, figures: DumpStats | undefined = stats) =>
  dumpStages(toOutcome({ ...container, ...more }), figures);

const without = (...names: readonly string[]): Partial<NativeOutcome> => ({
  events: container.events?.filter(({ name }) => !names.includes(name)) ?? [],
});

/** Without some of what the log tells. */
function logWithout(...names: readonly (keyof NativeDumpLog)[]): Partial<NativeOutcome> {
  const rest = Object.fromEntries(
    Object.entries(log).filter(([name]) => !names.includes(name as never)),
  );
  return { log: rest as unknown as NativeDumpLog };
}

describe('the stages of a dump', () => {
  test('of a container come from notifications, statistics and log', () => {
    const stages = told();
    expect(stages).toEqual({
      prepareMs: 5 - 0.5 - 0.4,
      freezeMs: 0.4,
      networkLockMs: 2.5,
      namespacesMs: 7 - (17.5 - 14) + 3,
      processesMs: 5 - 0.5 - 1.25,
      memoryMs: 0.5,
      cgroupsMs: 1.5,
      mountsMs: 20,
      networkUnlockMs: 9.5,
      resumeMs: 2,
    });
    const all = Object.values(stages).reduce<number>((sum, ms) => sum + (ms ?? 0), 0);
    expect(all).toBeLessThan(56);
    expect(all).toBeGreaterThan(45);
  });

  test('of a process without namespaces of its own lack what it has not', () => {
    const own = { ...without('network-lock', 'network-unlock') };
    const stages = told({ ...own, ...logWithout('mounts', 'namespaces', 'namespacesDone') });
    expect(stages).toMatchObject({ networkLockMs: 0, mountsMs: 0, networkUnlockMs: 10 });
    expect(stages.prepareMs).toBeCloseTo(5 - 0.5 - 0.4);
    expect(stages.namespacesMs).toBeCloseTo(7 - 0.5);
    expect(stages.processesMs).toBeCloseTo(25 - 0.5 - 1.25);
  });

  test('of tasks that end have no unlocking', () => {
    const stages = told({ ...without('network-unlock'), ...logWithout('unlock') });
    expect(stages).toMatchObject({ networkUnlockMs: 0, resumeMs: 2 });
  });

  test('are undefined where the log does not tell them', () => {
    const { log: _, ...rest } = container;
    const stages = dumpStages(toOutcome(rest), stats);
    expect(stages).toEqual({
      prepareMs: 1 + (14 - 11.5 - 0.4),
      freezeMs: 0.4,
      networkLockMs: 2.5,
      memoryMs: 0.5,
      namespacesMs: undefined,
      processesMs: undefined,
      cgroupsMs: undefined,
      mountsMs: undefined,
      networkUnlockMs: undefined,
      resumeMs: undefined,
    });
  });

  test('of an older CRIU, which does not ask for files, have no end of the lock', () => {
    expect(told(without('query-ext-files'))).toMatchObject({
      networkLockMs: undefined,
      namespacesMs: undefined,
      mountsMs: 20,
    });
  });

  test('of a lazy dump have no statistics, and the network waits for the pages', () => {
    const lazy = [...(container.events ?? []), event('status-ready', 53)];
    expect(dumpStages(toOutcome({ ...container, events: lazy }), undefined)).toMatchObject({
      prepareMs: undefined,
      freezeMs: undefined,
      processesMs: undefined,
      memoryMs: undefined,
      networkUnlockMs: undefined,
      mountsMs: 20,
    });
  });

  test('of a pre-dump are the freezing and the memory, which is written later', () => {
    const { log: _, ...preDump } = { ...container, events: [event('pre-dump', 11)] };
    const known = Object.entries(dumpStages(toOutcome(preDump), stats)).filter(([, ms]) => ms);
    expect(known).toEqual([
      ['freezeMs', 0.4],
      ['memoryMs', 0.75],
    ]);
  });

  test.each<[string, Partial<NativeOutcome>]>([
    ['lasts longer than CRIU', { timeline: { sent: 10, replied: 60 } }],
    ['runs back', { log: { ...log, done: 10 } }],
    ['has no end', logWithout('done')],
  ])('are not those of a log that %s', (_how, more) => {
    const stages = told(more);
    for (const name of ['processesMs', 'cgroupsMs', 'mountsMs', 'resumeMs'] as const) {
      expect(stages[name]).toBeUndefined();
    }
    expect(stages.freezeMs).toBe(0.4);
  });

  test('are never negative', () => {
    // The clocks of statistics and notifications differ by some microseconds.
    const fast = told({}, { ...stats, freezingTimeUs: 5_000 });
    expect(fast.prepareMs).toBe(0);
    expect(told({}, { ...stats, freezingTimeUs: 9_000 }).prepareMs).toBeUndefined();
    expect(told({}, { ...stats, memdumpTimeUs: 90_000 }).processesMs).toBeUndefined();
  });
});

describe('the stages of a restore', () => {
  const timeline = { sent: 1, replied: 40 };

  test('come from notifications, without the time of handlers', () => {
    const events = [
      event('pre-restore', 3),
      event('setup-namespaces', 10),
      event('post-setup-namespaces', 20),
      event('orphan-pts-master', 25),
      event('post-restore', 30),
      event('network-unlock', 31),
      event('pre-resume', 35),
      event('post-resume', 39),
    ];
    expect(restoreStages({ timeline, events })).toEqual({
      prepareMs: 2,
      namespacesMs: 20 - 3.5 - 0.5,
      processesMs: 30 - 20.5 - 0.5,
      resumeMs: 40 - 30.5 - 1.5,
    });
  });

  test('of images without namespaces have none to make', () => {
    const events = [event('pre-restore', 3), event('post-restore', 30)];
    expect(restoreStages({ timeline, events })).toMatchObject({
      namespacesMs: 0,
      processesMs: 26.5,
    });
  });

  test('are undefined where nothing is known', () => {
    expect(restoreStages({ timeline: {}, events: [] })).toEqual({
      prepareMs: undefined,
      namespacesMs: undefined,
      processesMs: undefined,
      resumeMs: undefined,
    });
  });
});
