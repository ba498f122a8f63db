import { constants } from 'node:os';
import { getSystemErrorMap } from 'node:util';
import { CriuError, type ErrorCode } from '../base/errors.js';
import { isShortage } from '../base/shortage.js';
import type { Stage } from '../base/stage.js';

/** What failed on our side of the socket to criu, as the addon tells it. */
export interface NativeFailure {
  /** A step of the addon's, or CRIU's name of its last notification. */
  stage: string;
  /** 0 where no system call has failed. */
  errno: number;
  message: string;
}

const { EACCES, ENOENT, EPERM } = constants.errno;

/** The code of a failure on our side, at whichever step it was. */
export function failureCode({ stage, errno }: Pick<NativeFailure, 'stage' | 'errno'>): ErrorCode {
  if (isShortage(errno)) return 'ERR_SYSTEM_ERROR';
  if (stage === 'listen') return 'ERR_CRIU_ADDRESS';
  if (stage === 'library') return 'ERR_CRIU_LIBRARY_NOT_FOUND';
  if (stage === 'images' || stage === 'keep') return 'ERR_CRIU_IMAGES_DIR';
  if (stage === 'archive') return 'ERR_SYSTEM_ERROR';
  if (stage === 'spawn' && errno === ENOENT) return 'ERR_CRIU_NOT_FOUND';
  if (errno === EPERM || errno === EACCES) return 'ERR_CRIU_PERMISSION';
  return 'ERR_CRIU_FAILED';
}

/** The name of an errno, like `ENOMEM`. */
export function errnoName(errno: number): string {
  // getSystemErrorName() has a sentence, and no name, for one that libuv does not know.
  return getSystemErrorMap().get(-errno)?.[0] ?? `errno ${errno}`;
}

/** The steps of the addon that have the same name as a stage of the API. */
export const commonStages: readonly Stage[] = [
  'queued',
  'directory',
  'archive',
  'library',
  'listen',
  'spawn',
  'request',
  'freeze',
];

/**
 * The error of the API for what the addon throws, or rejects with. The addon's own is its `cause`. A
 * mistyped argument, which is a mistake of ours, stays what it is.
 */
export function withCode(error: unknown): unknown {
  if (!isNativeFailure(error)) return error;
  const { stage, errno, message } = error;
  const name = errno === 0 ? '' : ` (${errnoName(errno)})`;
  const sentence = message.charAt(0).toUpperCase() + message.slice(1) + name;
  return new CriuError(failureCode(error), sentence, {
    stage: commonStages.find((one) => one === stage),
    errno: errno || undefined,
    cause: error,
  });
}

/** What the addon has told, of an error that {@link withCode} has made of it; else undefined. */
export function nativeFailureOf(error: unknown): NativeFailure | undefined {
  return error instanceof CriuError && isNativeFailure(error.cause) ? error.cause : undefined;
}

function isNativeFailure(error: unknown): error is Error & NativeFailure {
  return (
    error instanceof Error &&
    'stage' in error &&
    'errno' in error &&
    typeof error.stage === 'string' &&
    typeof error.errno === 'number' &&
    !(error instanceof CriuError)
  );
}
