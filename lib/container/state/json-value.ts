import { readFileSync } from 'node:fs';
import { inspect } from 'node:util';
import { CriuError, errnoOf, reason } from '../../base/errors.js';
import { readFile } from '../../base/files.js';
import { inspectOwnership, type OwnershipReport } from '../../linux/ownership.js';
import { leadsNowhere } from '../../linux/paths.js';
import { refuseDistrusted } from '../../linux/trusted.js';

/** The state of a container has some ten KiB. */
const smallBytes = 256 * 1024;

/** A value in a state file that knows where it is, so that a wrong one can be named. */
export class JsonValue {
  readonly #file: string;
  readonly #path: string;
  readonly #value: unknown;

  constructor(file: string, path: string, value: unknown) {
    this.#file = file;
    this.#path = path;
    this.#value = value;
  }

  /** Parses a file's text. */
  static parse(file: string, text: string): JsonValue {
    try {
      return new JsonValue(file, '', JSON.parse(text));
    } catch (cause) {
      throw unreadable(file, 'JSON', cause);
    }
  }

  /** Go and C write an absent value as `null`, as no key at all, or as a zero. */
  get absent(): boolean {
    return this.#value === undefined || this.#value === null;
  }

  get(key: string): JsonValue {
    const path = this.#path === '' ? key : `${this.#path}.${key}`;
    if (this.absent) return new JsonValue(this.#file, path, undefined);
    return new JsonValue(this.#file, path, ownValue(this.#object(), key));
  }

  string(): string {
    if (typeof this.#value !== 'string') this.fail('a string');
    if (this.#value.includes('\0')) this.fail('a string without NUL');
    return this.#value;
  }

  optionalString(): string {
    return this.absent ? '' : this.string();
  }

  absolutePath(): string {
    const path = this.string();
    if (!path.startsWith('/')) this.fail('an absolute path');
    return path;
  }

  integer(): number {
    if (!Number.isSafeInteger(this.#value)) this.fail('an integer');
    return this.#value as number;
  }

  optionalInteger(): number | undefined {
    return this.absent ? undefined : this.integer();
  }

  optionalBoolean(): boolean {
    if (this.absent) return false;
    if (typeof this.#value !== 'boolean') this.fail('true or false');
    return this.#value;
  }

  /** An absent list is an empty one. */
  list(): readonly JsonValue[] {
    if (this.absent) return [];
    if (!Array.isArray(this.#value)) this.fail('a list');
    return this.#value.map(
      (value, index) => new JsonValue(this.#file, `${this.#path}[${index}]`, value),
    );
  }

  strings(): readonly string[] {
    return this.list().map((value) => value.string());
  }

  /** An absent object has no entries. */
  entries(): readonly (readonly [string, JsonValue])[] {
    if (this.absent) return [];
    return Object.entries(this.#object()).map(([key, value]) => [
      key,
      new JsonValue(this.#file, `${this.#path}[${JSON.stringify(key)}]`, value),
    ]);
  }

  fail(expected: string): never {
    const where = this.#path === '' ? this.#file : `${this.#path} of ${this.#file}`;
    const shown = inspect(this.#value, { depth: 0, breakLength: Infinity, maxStringLength: 80 });
    throw new CriuError(
      'ERR_CONTAINER_CORRUPT',
      `Expected ${expected} in ${where} but found ${this.#value === undefined ? 'nothing' : shown}`,
    );
  }

  #object(): object {
    const value = this.#value;
    if (typeof value !== 'object' || value === null || Array.isArray(value)) this.fail('an object');
    return value;
  }
}

/** What a state file has. */
interface StateBytes {
  bytes: Buffer;
  /** Whether no link was on the way to it. */
  isDirect: boolean;
  /** Whether to read what is there waits for no server. */
  isLocal: boolean;
}

/**
 * Reads a state file as text, `undefined` when there is none.
 *
 * @param what - What the file is, for the sentence that refuses it.
 * @throws CriuError as {@link readStateWhole} does.
 */
export async function readStateFile(
  file: string,
  what = 'the state file',
): Promise<string | undefined> {
  return (await readStateWhole(file, what))?.bytes.toString('utf8');
}

/** The same without taking it for text. */
export async function readStateBytes(file: string, what: string): Promise<Buffer | undefined> {
  return (await readStateWhole(file, what))?.bytes;
}

/**
 * Reads a state file, `undefined` when there is none. A link or a pipe in its place is refused: the
 * first leads elsewhere, the second would never end. What is read is what was looked at.
 *
 * @param what - What the file is, for the sentence that refuses it.
 * @throws CriuError `ERR_UNTRUSTED_PATH` when another user can have written it,
 * `ERR_CONTAINER_CORRUPT` when it is not a regular file, `ERR_CRIU_PERMISSION`.
 */
export async function readStateWhole(
  file: string,
  what = 'the state file',
): Promise<StateBytes | undefined> {
  try {
    const report = await inspectOwnership(file, { followsLast: false });
    try {
      if (!report.stats.isFile()) throw notAFile(file);
      refuseDistrusted(what, file, report);
      const { isLocal, real } = report;
      return { bytes: await readOpened(report), isDirect: real === file, isLocal };
    } finally {
      report.close();
    }
  } catch (error) {
    if (leadsNowhere(error)) return undefined;
    const code = errnoOf(error);
    if (code === 'EACCES' || code === 'EPERM') {
      throw new CriuError('ERR_CRIU_PERMISSION', `${file} cannot be read: ${reason(error)}`, {
        cause: error,
      });
    }
    throw error;
  }
}

/** Reads a small file at once where nobody has to be waited for. */
async function readOpened({ fd, stats, isLocal }: OwnershipReport): Promise<Buffer> {
  const path = `/proc/self/fd/${fd}`;
  return isLocal && stats.size <= smallBytes ? readFileSync(path) : await readFile(path);
}

/** The error of a file whose text is cut off or of another form. */
export function unreadable(file: string, form: 'JSON' | 'TOML', cause: unknown): CriuError {
  return new CriuError('ERR_CONTAINER_CORRUPT', `${file} is not whole ${form}: ${reason(cause)}`, {
    cause,
  });
}

function notAFile(file: string): CriuError {
  return new CriuError('ERR_CONTAINER_CORRUPT', `${file} is not a regular file`);
}

function ownValue(object: object, key: string): unknown {
  return Object.getOwnPropertyDescriptor(object, key)?.value;
}
