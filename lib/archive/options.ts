import { invalidArgType, invalidArgValue, unknownOption } from '../base/errors.js';
import type { ArchiveLimits } from './limits.js';

/** What bounds the reading of a checkpoint. */
export interface ReadingOptions {
  /** Gives the reading up when it is aborted. */
  signal?: AbortSignal | undefined;
  /**
   * Milliseconds after which the reading is given up.
   *
   * @defaultValue none
   */
  timeoutMs?: number | undefined;
}

/** Options of `openCheckpoint`. */
export interface OpenCheckpointOptions extends ReadingOptions {
  /**
   * So many files and directories are refused, in the checkpoint and in each archive in it.
   *
   * @defaultValue 1000000
   */
  maxEntries?: number | undefined;
  /**
   * Bytes that all of its files may have when they are unpacked.
   *
   * @defaultValue 2 ** 40 (1 TiB)
   */
  maxBytes?: number | undefined;
  /**
   * How many times as large as the compressed file what comes out of it may be, once that is 256 MiB.
   *
   * @defaultValue 1000
   */
  maxRatio?: number | undefined;
}

/** The limits of who gives none. */
export const defaultLimits: ArchiveLimits = {
  maxEntries: 1_000_000,
  maxBytes: 2 ** 40,
  maxRatio: 1000,
};

const maxTimeoutMs = 0x7fff_ffff;
const maxima: Readonly<Record<string, number>> = { timeoutMs: maxTimeoutMs };
const readingNames = ['signal', 'timeoutMs'] as const;
const openingNames = [...readingNames, 'maxEntries', 'maxBytes', 'maxRatio'] as const;

/** Checks the options of `openCheckpoint`, and fills in the limits. */
export function checkOpening(options: unknown): ReadingOptions & ArchiveLimits {
  return { ...defaultLimits, ...checked('openCheckpoint', options, openingNames) };
}

/** Checks the options of a method of a checkpoint. */
export function checkReading(options: unknown): ReadingOptions {
  return checked('extract', options, readingNames);
}

function checked(
  call: string,
  options: unknown,
  names: readonly string[],
): Readonly<Record<string, never>> {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw invalidArgType('options', 'an object', options);
  }
  const valid: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(options)) {
    if (!names.includes(name)) throw unknownOption(name, `an option of ${call}`);
    if (value !== undefined) valid[name] = name === 'signal' ? signal(value) : limit(name, value);
  }
  return valid as Readonly<Record<string, never>>;
}

function signal(value: unknown): AbortSignal {
  if (value instanceof AbortSignal) return value;
  throw invalidArgType('signal', 'an AbortSignal', value);
}

function limit(name: string, value: unknown): number {
  const max = maxima[name] ?? Number.MAX_SAFE_INTEGER;
  const expected = `an integer from 1 to ${max}`;
  if (typeof value !== 'number') throw invalidArgType(name, expected, value);
  if (!Number.isInteger(value) || value < 1 || value > max) {
    throw invalidArgValue(name, expected, value);
  }
  return value;
}
