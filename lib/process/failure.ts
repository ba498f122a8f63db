import { join } from 'node:path';
import { type AbortError, CriuError } from '../base/errors.js';
import { excerpt, readExcerpt } from '../criu/log.js';
import { requestFailure } from '../criu/request-failure.js';
import type { Outcome } from '../criu/run.js';
import type { OutputDirectory } from '../images/directory.js';
import type { Running } from './request.js';

export async function failure(
  request: Running,
  outcome: Outcome,
  place: OutputDirectory,
): Promise<AbortError | CriuError> {
  const { veto } = outcome;
  if (outcome.cancelled) return request.deadline.error(outcome.stage);
  const logName = request.options.logFile;
  const log = await readExcerpt(place.file(logName)).catch(() => excerpt(''));
  const logFile = place.keepsLogs ? join(place.path, logName) : undefined;
  if (veto) {
    return new CriuError(
      'ERR_CRIU_VETOED',
      `The ${request.operation} was vetoed by hooks.${veto.hook}: ${errorText(veto.error)}`,
      {
        operation: request.operation,
        stage: outcome.stage,
        log: log.lines,
        logFile,
        cause: veto.error,
      },
    );
  }
  return requestFailure(request.operation, outcome, log, logFile);
}

export function errorText(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
