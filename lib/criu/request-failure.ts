import { CriuError, type CriuErrorDetails, type Operation } from '../base/errors.js';
import { option, type Sentence, sentence } from '../base/sentence.js';
import type { Stage } from '../base/stage.js';
import { errnoName, failureCode, type NativeFailure } from '../native/failure.js';
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
  const stage = stageOfFailure(failure) ?? outcome.stage;
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
      sentence`Cannot ${task}: ${failureSentence(failure.message)}${name}`,
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

/** Where we failed, if that tells more than how far CRIU had come. */
function stageOfFailure(failure: NativeFailure | undefined): Stage | undefined {
  return failure === undefined || failure.stage === 'request' ? undefined : stageOf(failure.stage);
}

/** The addon names one option, by which a descriptor is given. */
function failureSentence(message: string): Sentence {
  const [before, after] = message.split(/\bstatusFd\b/);
  return after === undefined ? message : sentence`${before ?? ''}${option('statusFd')}${after}`;
}
