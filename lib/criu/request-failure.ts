import { constants } from 'node:os';
import { getSystemErrorMap } from 'node:util';
import {
  CriuError,
  type CriuErrorDetails,
  type ErrorCode,
  type Operation,
} from '../base/errors.js';
import { option, type Sentence, sentence } from '../base/sentence.js';
import type { Stage } from '../base/stage.js';
import { excerpt, type LogExcerpt } from './log.js';
import { type StagedOutcome, stageOf } from './stage.js';

/** Names of what was to be done, for sentences. */
const doing: Readonly<Partial<Record<Operation, string>>> = {
  checkpoint: 'checkpoint the container',
  dump: 'dump the process',
  preDump: 'pre-dump the process',
  checkpointSelf: 'checkpoint this process',
  restore: 'restore the process',
  check: 'check this kernel',
  version: 'tell its version',
  features: 'tell what this kernel has',
  startPageServer: 'receive pages',
  startLazyPages: 'serve lazy pages',
};

/** What of an outcome tells why it is a failure. */
type FailedOutcome = Pick<
  StagedOutcome,
  'failure' | 'errno' | 'stage' | 'printed' | 'message' | 'replied' | 'exitCode' | 'exitSignal'
>;

/** The error of a request that CRIU did not fulfil, with the cause from its log if there is one. */
export function requestFailure(
  operation: Operation,
  outcome: FailedOutcome,
  log: LogExcerpt = excerpt(''),
  logFile?: string,
): CriuError {
  const { failure } = outcome;
  const stage = failure ? stageOf(failure.stage) : outcome.stage;
  const errno = failure?.errno || outcome.errno;
  const details: CriuErrorDetails = {
    operation,
    stage,
    errno: errno || undefined,
    log: log.lines.length > 0 ? log.lines : excerpt(outcome.printed).lines,
    logFile,
  };
  const task = doing[operation] ?? operation;
  const name = errno ? ` (${errnoName(errno)})` : '';
  if (failure) {
    return new CriuError(
      failureCode(failure),
      sentence`Cannot ${task}: ${failureSentence(failure.message, stage)}${name}`,
      details,
    );
  }
  const cause = log.cause ?? excerpt(outcome.printed).cause ?? excerpt(outcome.message).cause;
  const why = cause ? `: ${cause}` : '';
  if (!outcome.replied) {
    const how = outcome.exitSignal
      ? `was killed by signal ${outcome.exitSignal}`
      : `ended with status ${outcome.exitCode}`;
    return new CriuError(
      'ERR_CRIU_DIED',
      `CRIU ${how} when it was to ${task}, at stage ${stage}${why}`,
      details,
    );
  }
  return new CriuError(
    'ERR_CRIU_FAILED',
    `CRIU failed to ${task}, at stage ${stage}${cause ? why : name}`,
    details,
  );
}

/** What the addon itself does at this stage is to write to one descriptor, which an option names. */
function failureSentence(message: string, stage: Stage): Sentence {
  if (stage !== 'statusReady') return message;
  return sentence`cannot write to the descriptor ${option('statusFd')}`;
}

function failureCode({ stage, errno }: { stage: string; errno: number }): ErrorCode {
  if (stage === 'listen') return 'ERR_CRIU_ADDRESS';
  if (stage === 'library') return 'ERR_CRIU_LIBRARY_NOT_FOUND';
  if (stage === 'spawn' && errno === 2) return 'ERR_CRIU_NOT_FOUND';
  if (stage === 'freeze' && errno === constants.errno.EWOULDBLOCK) return 'ERR_CONTAINER_BUSY';
  if (errno === 1 || errno === 13) return 'ERR_CRIU_PERMISSION';
  return 'ERR_CRIU_FAILED';
}

function errnoName(errno: number): string {
  // getSystemErrorName() has a sentence, and no name, for one that libuv does not know.
  return getSystemErrorMap().get(-errno)?.[0] ?? `errno ${errno}`;
}
