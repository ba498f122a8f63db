import { invalidArgType, invalidArgValue, unknownOption } from '../base/errors.js';
import { checkCount } from '../base/numbers.js';
import { checkData } from '../options/new-life.js';
import type { RestoreOptions } from '../options/types.js';
import { checkImagePath, validateOptions } from '../options/validate.js';

/** What the pool decides itself for its restores. */
type DecidedOption =
  | 'argv'
  | 'channel'
  | 'data'
  | 'env'
  | 'pidFile'
  | 'pidNamespace'
  | 'restoreSibling'
  | 'signal'
  | 'unit';

const decided: readonly DecidedOption[] = [
  ...(['argv', 'channel', 'data', 'env', 'pidFile', 'pidNamespace'] as const),
  ...(['restoreSibling', 'signal', 'unit'] as const),
];

/** Options of {@link createPool}. Times are in milliseconds. */
export interface PoolOptions {
  /**
   * How many clones are kept ready, beside those that somebody has.
   *
   * @defaultValue 2
   */
  size?: number | undefined;
  /**
   * The most clones at once, ready or not.
   *
   * @defaultValue `size`, and at least 1
   */
  max?: number | undefined;
  /**
   * The most restores at once.
   *
   * @defaultValue 2
   */
  concurrency?: number | undefined;
  /**
   * After how many uses a clone is ended, and replaced by a new one. A use is an `acquire()` or a `run()`.
   *
   * @defaultValue no limit
   */
  maxUses?: number | undefined;
  /**
   * After which time without a use a clone is ended, as long as there are more than `size`.
   *
   * @defaultValue 30000
   */
  idleMs?: number | undefined;
  /**
   * What a clone is told: as `data` of {@link restore}, or a function of its number, which counts from 1.
   *
   * @defaultValue none
   */
  data?: unknown;
  /** The environment of the clones, as `env` of {@link restore}. */
  env?: RestoreOptions['env'];
  /** The arguments of the clones, as `argv` of {@link restore}. */
  argv?: RestoreOptions['argv'];
  /**
   * Other options of {@link restore}. Without a `timeoutMs` a restore is given up after 30 s.
   *
   * @defaultValue none
   */
  restore?: Omit<RestoreOptions, DecidedOption> | undefined;
  /**
   * For how long `acquire()` and `run()` wait for a clone.
   *
   * @defaultValue 30000
   */
  acquireTimeoutMs?: number | undefined;
  /**
   * For how long `run()` waits for the answer. The clone is ended after that.
   *
   * @defaultValue 60000
   */
  taskTimeoutMs?: number | undefined;
  /**
   * How often a clone that is ready is asked whether its event loop answers.
   *
   * @defaultValue 10000
   */
  healthCheckMs?: number | undefined;
  /**
   * For how long that answer is waited for. A clone that does not give it is replaced.
   *
   * @defaultValue 5000
   */
  healthTimeoutMs?: number | undefined;
  /**
   * For how long a clone may take to end after SIGTERM. SIGKILL follows.
   *
   * @defaultValue 2000
   */
  graceMs?: number | undefined;
  /**
   * For how long `close()` waits for the clones that somebody has.
   *
   * @defaultValue 10000
   */
  drainMs?: number | undefined;
  /** Closes the pool at once when it is aborted. */
  signal?: AbortSignal | undefined;
}

/** The same, checked. */
export interface PoolSettings {
  imagePath: string;
  size: number;
  max: number;
  concurrency: number;
  maxUses: number;
  idleMs: number;
  acquireTimeoutMs: number;
  taskTimeoutMs: number;
  healthCheckMs: number;
  healthTimeoutMs: number;
  graceMs: number;
  drainMs: number;
  signal: AbortSignal | undefined;
  /** The options of a restore, for the clone of a number. */
  restoreOptions(number: number): RestoreOptions;
}

/** The largest delay of a timer. */
const longest = 0x7fff_ffff;

/** Bounds and default of each number. */
const numbers = {
  size: [0, 10_000, 2],
  max: [1, 10_000, 0],
  concurrency: [1, 1000, 2],
  maxUses: [1, Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
  idleMs: [0, longest, 30_000],
  acquireTimeoutMs: [1, longest, 30_000],
  taskTimeoutMs: [1, longest, 60_000],
  healthCheckMs: [1, longest, 10_000],
  healthTimeoutMs: [1, longest, 5_000],
  graceMs: [0, longest, 2_000],
  drainMs: [0, longest, 10_000],
} as const;

/** The names of all options. */
export const poolOptions: readonly string[] = [
  ...Object.keys(numbers),
  ...['data', 'env', 'argv', 'restore', 'signal'],
];

/**
 * Checks what a pool is made of.
 *
 * @throws TypeError, RangeError for a bad path or option.
 */
export function checkPoolOptions(snapshot: unknown, options: unknown): PoolSettings {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw invalidArgType('options', 'an object', options);
  }
  for (const name of Object.keys(options)) {
    if (poolOptions.includes(name)) continue;
    throw unknownOption(name, 'an option of createPool');
  }
  const { data, restore, signal, ...given } = options as PoolOptions;
  const count = (name: keyof typeof numbers): number => {
    const [min, max, otherwise] = numbers[name];
    return checkCount(name, given[name], min, max) ?? otherwise;
  };
  const size = count('size');
  const max = count('max') || Math.max(1, size);
  if (max < size) throw invalidArgValue('max', `at least ${size}, the size`, max);
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    throw invalidArgType('signal', 'an AbortSignal', signal);
  }
  const { env, argv } = validateOptions('restore', { env: given.env, argv: given.argv });
  const dataOf = dataFor(data);
  const shared = checkRestore(restore);
  return {
    imagePath: checkImagePath(snapshot),
    size,
    max,
    concurrency: count('concurrency'),
    maxUses: count('maxUses'),
    idleMs: count('idleMs'),
    acquireTimeoutMs: count('acquireTimeoutMs'),
    taskTimeoutMs: count('taskTimeoutMs'),
    healthCheckMs: count('healthCheckMs'),
    healthTimeoutMs: count('healthTimeoutMs'),
    graceMs: count('graceMs'),
    drainMs: count('drainMs'),
    signal,
    restoreOptions: (number) => ({ ...shared, env, argv, data: dataOf(number) }),
  };
}

function dataFor(data: unknown): (number: number) => unknown {
  if (typeof data === 'function') return (number) => (data as (number: number) => unknown)(number);
  const checked = data === undefined ? undefined : checkData('data', data);
  return () => checked;
}

function checkRestore(given: unknown = {}): RestoreOptions {
  if (typeof given !== 'object' || given === null) {
    throw invalidArgType('restore', 'an object', given);
  }
  const options = given as RestoreOptions;
  for (const name of decided) {
    if (options[name] === undefined) continue;
    throw invalidArgValue(`restore.${name}`, 'nothing', options[name], 'the pool decides it');
  }
  validateOptions('restore', options);
  return { timeoutMs: 30_000, ...options };
}
