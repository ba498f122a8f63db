import { constants } from 'node:os';
import type { Finding } from './finding.js';
import {
  inspected,
  joined,
  option,
  type Sentence,
  type SentencePart,
  sentence,
  textOf,
} from './sentence.js';
import type { Stage } from './stage.js';
import { traced } from './tracing.js';

/**
 * Stable codes of {@link CriuError}. The list grows: a new version may add codes, so treat those
 * that you do not know like any other failure.
 */
export const errorCodes = [
  'ERR_CRIU_ADDON_NOT_FOUND',
  'ERR_CRIU_LIBRARY_NOT_FOUND',
  'ERR_CRIU_NOT_FOUND',
  'ERR_CRIU_TOO_OLD',
  'ERR_CRIU_PERMISSION',
  'ERR_UNTRUSTED_PATH',
  'ERR_CRIU_CONFIG',
  'ERR_CRIU_FEATURE_MISSING',
  'ERR_CRIU_IMAGES_DIR',
  'ERR_CRIU_IMAGE',
  'ERR_CRIU_ADDRESS',
  'ERR_CRIU_FAILED',
  'ERR_CRIU_DIED',
  'ERR_CRIU_VETOED',
  'ERR_CRIU_TIMEOUT',
  'ERR_PROCESS_NOT_FOUND',
  'ERR_PROCESS_EXISTS',
  'ERR_CHECKPOINT_ARCHIVE',
  'ERR_NOT_CHECKPOINTABLE',
  'ERR_NOT_RESTORABLE',
  'ERR_SNAPSHOT_STALE',
  'ERR_CONTAINER_NOT_FOUND',
  'ERR_CONTAINER_AMBIGUOUS',
  'ERR_CONTAINER_STATE',
  'ERR_CONTAINER_CORRUPT',
  'ERR_CONTAINER_BUSY',
  'ERR_RUNTIME_NOT_FOUND',
  'ERR_RUNTIME_FAILED',
  'ERR_ARCHIVE_WRITE',
  'ERR_CLONE_ENDED',
  'ERR_POOL_CLOSED',
  'ERR_POOL_TIMEOUT',
  'ERR_TASK_TIMEOUT',
  'ERR_SYSTEM_ERROR',
] as const;

/** One of {@link errorCodes}. */
export type ErrorCode = (typeof errorCodes)[number];

/** A call of the API that can fail. */
export type Operation =
  | 'check'
  | 'version'
  | 'features'
  | 'listContainers'
  | 'checkpoint'
  | 'dump'
  | 'preDump'
  | 'checkpointSelf'
  | 'exportCheckpoint'
  | 'restore'
  | 'restoreContainer'
  | 'openCheckpoint'
  | 'decodeImage'
  | 'inspect'
  | 'diffCheckpoints'
  | 'searchMemory'
  | 'dumpMemory'
  | 'startPageServer'
  | 'startLazyPages'
  | 'explain'
  | 'diagnose'
  | 'iterate'
  | 'createPool'
  | 'acquire'
  | 'run';

/** What those are told who subscribe to the channel `tracing:libcriu:operation`. */
export interface OperationTrace {
  /** The call that is made. */
  operation: Operation;
  /** What it has resolved to. */
  result?: unknown;
  /** What it has rejected with. */
  error?: unknown;
}

/** What a {@link CriuError} carries beside its sentence and code. */
export interface CriuErrorDetails {
  /** The call that failed. */
  operation?: Operation | undefined;
  /** How far it came. */
  stage?: Stage | undefined;
  /** errno of the failing system call, or CRIU's `cr_errno`, as a positive number. */
  errno?: number | undefined;
  /** The lines of CRIU's log that tell the cause, oldest first. */
  log?: readonly string[] | undefined;
  /** Absolute path of the whole log. */
  logFile?: string | undefined;
  /** What `explain` finds after the failure, the worst first. */
  findings?: readonly Finding[] | undefined;
  /** Absolute paths of the complete images that an iteration has left. */
  directories?: readonly string[] | undefined;
  /** The error that caused this one. */
  cause?: unknown;
}

/** Any failure that is not the caller's misuse of an argument, and no abort. */
export class CriuError extends Error {
  override readonly name = 'CriuError';
  /** Stable, to be compared with. */
  readonly code: ErrorCode;
  /** The call that failed. */
  readonly operation: Operation | undefined;
  /** How far it came, where that is known. */
  readonly stage: Stage | undefined;
  /** errno of the failing system call, or CRIU's `cr_errno`, as a positive number. */
  readonly errno: number | undefined;
  /** The lines of CRIU's log that tell the cause, oldest first; empty when there are none. */
  readonly log: readonly string[];
  /** Absolute path of the whole log, if it is still there. */
  readonly logFile: string | undefined;
  /** What `explain` finds after the failure, the worst first; empty when it was not asked. */
  readonly findings: readonly Finding[];
  /** Absolute paths of the complete images that an iteration has left; empty for other calls. */
  readonly directories: readonly string[];
  readonly #sentence: readonly SentencePart[];

  constructor(code: ErrorCode, message: Sentence, details: CriuErrorDetails = {}) {
    super(textOf(message), details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.operation = details.operation;
    this.stage = details.stage;
    this.errno = details.errno;
    this.log = details.log ?? [];
    this.logFile = details.logFile;
    this.findings = details.findings ?? [];
    this.directories = details.directories ?? [];
    this.#sentence = joined(message);
  }

  /**
   * `message` in parts, for the command, which says it in flags.
   *
   * @internal
   */
  get sentence(): readonly SentencePart[] {
    return this.#sentence;
  }

  /**
   * The same failure as somebody tells it who knows more: a new error.
   *
   * @internal
   */
  with(details: CriuErrorDetails, message: Sentence = this.#sentence): CriuError {
    return new CriuError(this.code, message, { ...this, cause: this.cause, ...details });
  }
}

/** How an operation rejects that its caller has aborted: as Node's own do, with the stage beside it. */
export class AbortError extends Error {
  override readonly name = 'AbortError';
  readonly code = 'ABORT_ERR';
  /** How far the operation came. */
  readonly stage: Stage;
  /** Absolute paths of the complete images that an iteration has left; empty for other calls. */
  readonly directories: readonly string[];

  /** @param reason - The signal's, which becomes the `cause`. */
  constructor(
    reason: unknown,
    stage: Stage,
    {
      message = 'The operation was aborted',
      directories = [],
    }: { message?: string; directories?: readonly string[] } = {},
  ) {
    super(message, { cause: reason });
    this.stage = stage;
    this.directories = directories;
  }
}

/** The error of an operation that its caller has aborted. */
export function abortError(reason: unknown, stage: Stage = 'start'): AbortError {
  return new AbortError(reason, stage);
}

/**
 * The same failure with a sentence more at its end: a new error.
 *
 * @param note - A sentence without its full stop; empty for none.
 */
export function withNote(
  error: AbortError | CriuError,
  note: Sentence,
  details: Pick<CriuErrorDetails, 'operation' | 'directories'> = {},
): AbortError | CriuError {
  const end = note === '' ? '' : sentence`. ${note}`;
  if (error instanceof CriuError) return error.with(details, sentence`${error.sentence}${end}`);
  const { directories = error.directories } = details;
  const message = error.message + textOf(end);
  return new AbortError(error.cause, error.stage, { message, directories });
}

/** What an argument should have been, and what it was. */
interface Mismatch {
  /** The option or argument, with the element that is wrong: `pageServer`, `external[0]`. */
  option: string;
  expected: Sentence;
  received: unknown;
  reason?: Sentence | undefined;
}

/** An argument of the wrong JavaScript type. */
export class InvalidArgTypeError extends TypeError {
  readonly code = 'ERR_INVALID_ARG_TYPE';
  /** The option or argument, with the element that is wrong: `pageServer`, `external[0]`. */
  readonly option: string;
  /** What it should have been, in words. */
  readonly expected: string;
  readonly received: unknown;
  /** Why what was received will not do, or what to do instead. */
  readonly reason: string | undefined;
  readonly #sentence: readonly SentencePart[];

  constructor(mismatch: Mismatch, message: Sentence = mismatchSentence(mismatch)) {
    super(textOf(message));
    this.option = mismatch.option;
    this.expected = textOf(mismatch.expected);
    this.received = mismatch.received;
    this.reason = mismatch.reason === undefined ? undefined : textOf(mismatch.reason);
    this.#sentence = joined(message);
  }

  /**
   * `message` in parts, for the command, which says it in flags.
   *
   * @internal
   */
  get sentence(): readonly SentencePart[] {
    return this.#sentence;
  }
}

/** An argument of the right type whose value cannot be used, or an option that does not exist. */
export class InvalidArgValueError extends RangeError {
  readonly code = 'ERR_INVALID_ARG_VALUE';
  /** The option or argument, with the element that is wrong: `pageServer`, `external[0]`. */
  readonly option: string;
  /** What it should have been, in words. */
  readonly expected: string;
  readonly received: unknown;
  /** Why what was received will not do, or what to do instead. */
  readonly reason: string | undefined;
  readonly #sentence: readonly SentencePart[];

  constructor(mismatch: Mismatch, message: Sentence = mismatchSentence(mismatch)) {
    super(textOf(message));
    this.option = mismatch.option;
    this.expected = textOf(mismatch.expected);
    this.received = mismatch.received;
    this.reason = mismatch.reason === undefined ? undefined : textOf(mismatch.reason);
    this.#sentence = joined(message);
  }

  /**
   * `message` in parts, for the command, which says it in flags.
   *
   * @internal
   */
  get sentence(): readonly SentencePart[] {
    return this.#sentence;
  }
}

/** Options that contradict each other. */
export class ContradictionError extends RangeError {
  readonly code = 'ERR_INVALID_ARG_VALUE';
  /** Those that contradict each other; one of them may be missing. */
  readonly options: readonly string[];
  readonly #sentence: readonly SentencePart[];

  constructor(options: readonly string[], message: Sentence) {
    super(textOf(message));
    this.options = options;
    this.#sentence = joined(message);
  }

  /**
   * `message` in parts, for the command, which says it in flags.
   *
   * @internal
   */
  get sentence(): readonly SentencePart[] {
    return this.#sentence;
  }
}

function mismatchSentence({ option: name, expected, received, reason }: Mismatch): Sentence {
  const why = reason === undefined ? '' : sentence`: ${reason}`;
  return sentence`Expected ${expected} for ${option(name)} but received ${inspected(received)}${why}`;
}

/** An argument of the wrong JavaScript type, with Node's own code. */
export function invalidArgType(
  name: string,
  expected: Sentence,
  received: unknown,
  reason?: Sentence,
): InvalidArgTypeError {
  return new InvalidArgTypeError({ option: name, expected, received, reason });
}

/** An argument of the right type whose value cannot be used, with Node's own code. */
export function invalidArgValue(
  name: string,
  expected: Sentence,
  received: unknown,
  reason?: Sentence,
): InvalidArgValueError {
  return new InvalidArgValueError({ option: name, expected, received, reason });
}

/** An option that a call does not have. */
export function unknownOption(
  name: string,
  expected: Sentence,
  reason?: Sentence,
): InvalidArgValueError {
  const mismatch = { option: name, expected, received: name, reason };
  return new InvalidArgValueError(
    mismatch,
    mismatchSentence({ ...mismatch, option: 'option name' }),
  );
}

/** What an error says, in parts where it is one of the package. */
export function sentenceOf(error: unknown): Sentence {
  const isOurs =
    error instanceof CriuError ||
    error instanceof InvalidArgTypeError ||
    error instanceof InvalidArgValueError ||
    error instanceof ContradictionError;
  return isOurs ? error.sentence : reason(error);
}

/**
 * Runs a call of the API: a failure that leaves it names this call, and not the one inside of it
 * that failed, or none because a lower room does not know for whom it works.
 */
export async function inOperation<T>(operation: Operation, run: () => Promise<T>): Promise<T> {
  return await traced(operation, async () => {
    try {
      return await run();
    } catch (error) {
      throw namedBy(operation, error);
    }
  });
}

/**
 * The error with which a call fails, for that of something inside of it. A failed system call that
 * nobody expected where it was made, as when there is no descriptor left, gets its code here.
 *
 * @param stage - How far the call came, where that is known.
 */
export function namedBy(operation: Operation, error: unknown, stage?: Stage): unknown {
  if (error instanceof CriuError) {
    return error.operation === operation ? error : error.with({ operation });
  }
  const code = errnoOf(error);
  const errno = code === undefined ? undefined : errnoNumber(code);
  if (errno === undefined) return error;
  const message = `The ${operation} failed, because a system call did: ${reason(error)}`;
  return new CriuError('ERR_SYSTEM_ERROR', message, { operation, stage, errno, cause: error });
}

function errnoNumber(code: string): number | undefined {
  return (constants.errno as Readonly<Record<string, number>>)[code];
}

/** Node's `code` of a failed system call. */
export function errnoOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string'
    ? error.code
    : undefined;
}

/** The sentence of whatever was thrown. */
export function reason(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
