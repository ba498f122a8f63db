import { type AbortError, CriuError, reason } from '../base/errors.js';
import { requestFailure } from '../criu/request-failure.js';
import type { Outcome } from '../criu/run.js';
import type { Outputs } from '../images/outputs.js';
import { withAftermath } from './aftermath.js';
import { excerptOf, logFileOf } from './config.js';
import type { OperationRequest } from './request.js';

/** The error of a request that CRIU did not fulfil, with what its log tells. */
export async function failure(
  request: OperationRequest & { pid?: number },
  outcome: Outcome,
  outputs: Outputs,
): Promise<AbortError | CriuError> {
  return await withAftermath(await errorOf(request, outcome, outputs), outcome, request.pid);
}

async function errorOf(
  request: OperationRequest,
  outcome: Outcome,
  outputs: Outputs,
): Promise<AbortError | CriuError> {
  const { operation, deadline } = request;
  const { veto, stage } = outcome;
  if (outcome.cancelled) return deadline.error(stage);
  const log = await excerptOf(request, outputs);
  const isKept = request.outerLog !== undefined || outputs.logDirectory.keepsLogs;
  const logFile = isKept ? logFileOf(request, outputs) : undefined;
  if (!veto) return requestFailure(operation, outcome, log, logFile);
  return new CriuError(
    'ERR_CRIU_VETOED',
    `The ${operation} was vetoed by hooks.${veto.hook}: ${reason(veto.error)}`,
    { operation, stage, log: log.lines, logFile, cause: veto.error },
  );
}
