import type { DumpStats } from '../images/stats.js';
import type { NativeDumpLog, NativeEvent, NativeOutcome } from '../native/contract.js';

/**
 * The parts of what CRIU does in a dump, in the order in which they begin, in milliseconds. They do not
 * overlap. Together they take a little less than `criuMs`: between them CRIU has more to do, and waits
 * for handlers of `hooks`. What is not known is undefined.
 */
export interface DumpStages {
  /**
   * CRIU's start, up to the freezing: options, the kernel's abilities, the page server. By CRIU's log at
   * level 3 or 4, or its notifications, and statistics.
   */
  prepareMs: number | undefined;
  /** Stopping all tasks; little where the cgroup was frozen before. By CRIU's statistics. */
  freezeMs: number | undefined;
  /**
   * Locking the network namespace; 0 where the tasks have none of their own. By CRIU's notifications,
   * with CRIU 3.19 and newer.
   */
  networkLockMs: number | undefined;
  /**
   * Looking at namespaces, with their mounts and sockets, before the first task is saved, and saving
   * all but mounts after the last. By CRIU's log at level 3 or 4; where the network is locked, with CRIU
   * 3.19 and newer.
   */
  namespacesMs: number | undefined;
  /**
   * Saving tasks, by code that CRIU has run in them: descriptors, mappings, registers, without memory
   * and cgroups. By CRIU's log at level 3 or 4, and statistics.
   */
  processesMs: number | undefined;
  /** Collecting and writing the memory of tasks. By CRIU's statistics. */
  memoryMs: number | undefined;
  /** Reading the properties of cgroups, and saving them. By CRIU's log at level 3 or 4. */
  cgroupsMs: number | undefined;
  /**
   * Saving mounts, with the archives of each tmpfs; 0 where the tasks have no mount namespace of their
   * own. By CRIU's log at level 3 or 4.
   */
  mountsMs: number | undefined;
  /**
   * Unlocking the network, and removing what CRIU has made for the time of the dump; 0 where that stays.
   * By CRIU's log at level 3 or 4.
   */
  networkUnlockMs: number | undefined;
  /** Letting the tasks go on, or ending them and waiting for their end. By CRIU's log at level 3 or 4. */
  resumeMs: number | undefined;
}

/**
 * The parts of what CRIU does in a restore, in the order in which they begin, in milliseconds, by its
 * notifications. They do not overlap. What is not known is undefined.
 */
export interface RestoreStages {
  /** CRIU's start: options, the kernel's abilities, the images. */
  prepareMs: number | undefined;
  /** Starting the root task and, by it, making namespaces; 0 where the images have none. */
  namespacesMs: number | undefined;
  /** Making the tasks, with their memory and all that they have open. */
  processesMs: number | undefined;
  /** Letting the tasks go on, with their network unlocked. */
  resumeMs: number | undefined;
}

/** What an outcome tells of times. */
type Measured = Pick<NativeOutcome, 'timeline' | 'events' | 'log'>;

/** What a log may say too much, as its clock is that of the day, which can be set. */
const toleranceMs = 1;

/** What is known of the stages of a dump that has succeeded. */
export function dumpStages(outcome: Measured, stats: DumpStats | undefined): DumpStages {
  const { timeline, events } = outcome;
  const log = believable(outcome);
  const preDump = eventOf(events, 'pre-dump');
  const lock = eventOf(events, 'network-lock');
  const query = eventOf(events, 'query-ext-files');
  const freezeMs = stats && stats.freezingTimeUs / 1000;
  const isDump = eventOf(events, 'post-dump') !== undefined;
  const memoryMs = stats && memoryOf(stats, isDump) / 1000;
  const { tasks, mounts, fileLocks, namespaces, namespacesDone, resume, done } = log;
  const { taskCgroups, otherCgroups } = log;
  // Serving the pages of a lazy dump comes between the unlocking and the end of the tasks.
  const isLazy = eventOf(events, 'status-ready') !== undefined;
  return {
    prepareMs: prepareMs(),
    freezeMs,
    networkLockMs: lock === undefined && query ? 0 : between(lock?.answered, query?.at),
    namespacesMs: sum(
      collectMs(),
      namespaces === undefined && fileLocks !== undefined ? 0 : between(namespaces, namespacesDone),
    ),
    processesMs: less(between(tasks, mounts ?? fileLocks), sum(memoryMs, taskCgroups)),
    memoryMs,
    cgroupsMs: done === undefined ? undefined : sum(taskCgroups, otherCgroups),
    mountsMs: mounts === undefined && fileLocks !== undefined ? 0 : between(mounts, fileLocks),
    networkUnlockMs: isLazy ? undefined : unlockMs(log, eventOf(events, 'network-unlock')),
    resumeMs: between(resume, done),
  };

  /** By the log where it tells, for of notifications we may hear late. */
  function prepareMs(): number | undefined {
    if (log.lock !== undefined) return less(log.lock, sum(waitedAt(preDump), freezeMs));
    // The tasks are frozen.
    const frozen = lock ?? query;
    const untilFrozen = less(between(preDump?.answered, frozen?.at), freezeMs);
    return sum(between(timeline.sent, preDump?.at), untilFrozen);
  }

  /** The look at namespaces comes after the network's lock, for which CRIU notifies as well. */
  function collectMs(): number | undefined {
    if (lock !== undefined && query === undefined) return undefined;
    const before = lock === undefined ? waitedAt(query) : between(lock.at, query?.answered);
    return less(between(log.lock, tasks), before);
  }
}

/** How long CRIU has waited at a notification. */
function waitedAt(event: NativeEvent | undefined): number {
  return event === undefined ? 0 : event.answered - event.at;
}

/** A dump writes memory while it collects it, a pre-dump when the tasks go on. */
function memoryOf({ memdumpTimeUs, memwriteTimeUs }: DumpStats, isDump: boolean): number {
  return isDump ? memdumpTimeUs : memdumpTimeUs + memwriteTimeUs;
}

function unlockMs(
  { fileLocks, unlock, resume }: Partial<NativeDumpLog>,
  told: NativeEvent | undefined,
): number | undefined {
  // Tasks that end keep their network locked.
  if (unlock === undefined) return fileLocks !== undefined && told === undefined ? 0 : undefined;
  return less(between(unlock, resume), waitedAt(told));
}

/** What is known of the stages of a restore that has succeeded. */
export function restoreStages({ timeline, events }: Measured): RestoreStages {
  const begin = eventOf(events, 'pre-restore');
  const made = eventOf(events, 'setup-namespaces');
  const filled = eventOf(events, 'post-setup-namespaces');
  const restored = eventOf(events, 'post-restore');
  return {
    prepareMs: between(timeline.sent, begin?.at),
    namespacesMs: namespacesMs(),
    processesMs: atWork(events, (filled ?? begin)?.answered, restored?.at),
    resumeMs: atWork(events, restored?.answered, timeline.replied),
  };

  function namespacesMs(): number | undefined {
    if (made === undefined && filled === undefined) return restored && 0;
    return atWork(events, begin?.answered, filled?.at);
  }
}

/** From one time to another without what CRIU has waited at notifications in between. */
function atWork(
  events: readonly NativeEvent[],
  from: number | undefined,
  to: number | undefined,
): number | undefined {
  if (from === undefined || to === undefined) return undefined;
  const inside = events.filter(({ at, answered }) => at >= from && answered <= to);
  const waited = inside.reduce((ms, { at, answered }) => ms + answered - at, 0);
  return less(between(from, to), waited);
}

/** What a log tells, unless it does not fit into the time that CRIU has taken. */
function believable({ timeline, log }: Measured): Partial<NativeDumpLog> {
  const criuMs = between(timeline.sent, timeline.replied);
  const { tasks, done } = log ?? {};
  const isWhole = between(tasks, done) !== undefined;
  if (log === undefined || criuMs === undefined || done === undefined || !isWhole) return {};
  return done <= criuMs + toleranceMs ? log : {};
}

function eventOf(events: readonly NativeEvent[], name: string): NativeEvent | undefined {
  return events.find((event) => event.name === name);
}

/** From one time to another, if both are known and in this order. */
function between(from: number | undefined, to: number | undefined): number | undefined {
  return from === undefined || to === undefined || to < from ? undefined : to - from;
}

function sum(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined || b === undefined ? undefined : a + b;
}

/** What is left of a time without another that lies within it. Both are measured, to some microseconds. */
function less(whole: number | undefined, part: number | undefined): number | undefined {
  if (whole === undefined || part === undefined || part > whole + toleranceMs) return undefined;
  return Math.max(0, whole - part);
}
