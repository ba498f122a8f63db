import { inspect } from 'node:util';
import type { Stage } from './stage.js';

/** Stable codes of {@link CriuError}. The README's troubleshooting table has a row for each. */
export const errorCodes = [
  'ERR_CRIU_ADDON_NOT_FOUND',
  'ERR_CRIU_LIBRARY_NOT_FOUND',
  'ERR_CRIU_NOT_FOUND',
  'ERR_CRIU_TOO_OLD',
  'ERR_CRIU_PERMISSION',
  'ERR_CRIU_FEATURE_MISSING',
  'ERR_CRIU_IMAGES_DIR',
  'ERR_CRIU_ADDRESS',
  'ERR_CRIU_FAILED',
  'ERR_CRIU_DIED',
  'ERR_CRIU_VETOED',
  'ERR_CRIU_TIMEOUT',
  'ERR_PROCESS_NOT_FOUND',
  'ERR_PROCESS_EXISTS',
  'ERR_NOT_CHECKPOINTABLE',
  'ERR_CONTAINER_NOT_FOUND',
  'ERR_CONTAINER_STATE',
  'ERR_CONTAINER_CORRUPT',
  'ERR_CONTAINER_BUSY',
  'ERR_RUNTIME_NOT_FOUND',
  'ERR_RUNTIME_FAILED',
] as const;

/** One of {@link errorCodes}. */
export type ErrorCode = (typeof errorCodes)[number];

/** What a {@link CriuError} carries beside its sentence and code. */
export interface CriuErrorDetails {
  /** The call that failed: `checkpoint`, `dump`, `startPageServer`, `check` ... */
  operation?: string | undefined;
  /** How far it came. */
  stage?: Stage | undefined;
  /** errno of the failing call, or CRIU's `cr_errno`, as a positive number. */
  errno?: number | undefined;
  /** The lines of CRIU's log that tell the cause, oldest first. */
  log?: readonly string[] | undefined;
  /** Absolute path of the whole log. */
  logFile?: string | undefined;
  /** The error that caused this one. */
  cause?: unknown;
}

/** Any failure that is not the caller's misuse of an argument. */
export class CriuError extends Error {
  override readonly name = 'CriuError';
  /** Stable, to be compared with. */
  readonly code: ErrorCode;
  readonly operation: string | undefined;
  readonly stage: Stage | undefined;
  readonly errno: number | undefined;
  readonly log: readonly string[];
  readonly logFile: string | undefined;

  constructor(code: ErrorCode, message: string, details: CriuErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.operation = details.operation;
    this.stage = details.stage;
    this.errno = details.errno;
    this.log = details.log ?? [];
    this.logFile = details.logFile;
  }
}

/** As Node's own promises reject, with the stage beside it. */
export function abortError(reason: unknown, stage: Stage = 'start'): Error {
  const error = new Error('The operation was aborted', { cause: reason });
  return Object.assign(error, { name: 'AbortError', code: 'ABORT_ERR', stage });
}

/** An argument of the wrong JavaScript type, with Node's own code. */
export function invalidArgType(name: string, expected: string, actual: unknown): TypeError {
  const error = new TypeError(`Expected ${expected} for ${name} but received ${show(actual)}`);
  return Object.assign(error, { code: 'ERR_INVALID_ARG_TYPE' });
}

/** An argument of the right type whose value cannot be used, with Node's own code. */
export function invalidArgValue(
  name: string,
  expected: string,
  actual: unknown,
  reason?: string,
): RangeError {
  const why = reason === undefined ? '' : `: ${reason}`;
  const error = new RangeError(
    `Expected ${expected} for ${name} but received ${show(actual)}${why}`,
  );
  return Object.assign(error, { code: 'ERR_INVALID_ARG_VALUE' });
}

/** One line, so that a sentence stays a sentence whatever was passed. */
function show(value: unknown): string {
  const type = value === null || value === undefined ? '' : ` of type ${typeof value}`;
  return `${inspect(value, { depth: 0, breakLength: Infinity, maxStringLength: 200 })}${type}`;
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
