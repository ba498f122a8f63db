import { stat } from 'node:fs/promises';
import { isAbsolute } from 'node:path';
import type { Scope } from '../base/scope.js';
import { checkConfigFile } from '../criu/config-file.js';
import { excerpt, type LogExcerpt, readExcerpt } from '../criu/log.js';
import type { Outputs } from '../images/outputs.js';
import type { CriuFields } from '../native/contract.js';
import type { OperationRequest } from './request.js';

/**
 * Checks the configuration file that a request names, which CRIU reads last, and gives the request as
 * CRIU will carry it out: its log may have another name, or lie outside of the directories.
 *
 * @throws CriuError as {@link checkConfigFile} does, before anything is touched.
 */
export async function withConfigFile<R extends OperationRequest>(
  request: R,
  path: string | undefined,
): Promise<R> {
  if (path === undefined) return request;
  const checking = checkConfigFile(path, 'after');
  const { canBePlanted, logFile, locksNetwork } = await request.deadline.bound('criu', checking);
  const checked = {
    ...request,
    ...(canBePlanted ? { leavesConfigFileOut: true } : {}),
    ...(locksNetwork ? { configLocksNetwork: true } : {}),
  };
  if (logFile === undefined) return checked;
  if (isAbsolute(logFile)) return { ...checked, outerLog: { path: logFile, since: Date.now() } };
  return { ...checked, options: { ...checked.options, logFile } };
}

/** The fields of a request without the configuration file that CRIU must not be told of. */
export function toldFields(
  { leavesConfigFileOut }: OperationRequest,
  fields: CriuFields,
): CriuFields {
  if (!leavesConfigFileOut) return fields;
  const { config_file: _, ...told } = fields;
  return told;
}

/** The absolute path of CRIU's log, once the images have taken their place. */
export function logFileOf({ outerLog }: OperationRequest, outputs: Outputs): string {
  return outerLog?.path ?? outputs.logFile;
}

/** Says where CRIU's log is to those who follow it, until the directories are closed. */
export async function followLog(
  { log, outerLog, deadline }: OperationRequest,
  outputs: Outputs,
  scope: Scope,
): Promise<void> {
  if (!log?.isWanted) return;
  scope.defer(() => log.detach());
  await deadline.bound('directory', log.attach(outerLog?.path ?? outputs.openLogFile));
}

/** What CRIU's log tells of a failure. */
export async function excerptOf(
  { outerLog }: OperationRequest,
  outputs: Outputs,
): Promise<LogExcerpt> {
  const reading = outerLog ? readFresh(outerLog) : readExcerpt(outputs.openLogFile);
  return reading.catch(() => excerpt(''));
}

/** A log of an earlier operation tells nothing. */
async function readFresh({ path, since }: { path: string; since: number }): Promise<LogExcerpt> {
  // The kernel's clock for files is some milliseconds behind.
  const isFresh = (await stat(path)).mtimeMs >= since - 50;
  return isFresh ? readExcerpt(path) : excerpt('');
}
