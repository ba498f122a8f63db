import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { Criu, type CriuError, type DumpOptions, type DumpResult, dump } from '../api.js';
import { failureOf } from '../rejection.js';
import type { Scope } from '../scope.js';
import { type FieldValue, traceCriu } from '../system/strace.js';
import { CriuLog } from './criu-log.js';

export interface Attempt {
  imagePath: string;
  result: DumpResult;
  log: CriuLog;
  /** Names of the image files. */
  files: string[];
}

/** A dump that has to succeed, into a fresh directory; the process goes on unless asked otherwise. */
export async function dumpOk(
  scope: Scope,
  pid: number,
  options: DumpOptions = {},
): Promise<Attempt> {
  const imagePath = join(await scope.directory(), 'images');
  const result = await dump(pid, { leaveRunning: true, imagePath, ...options });
  return {
    imagePath,
    result,
    log: new CriuLog(result.logFile),
    files: readdirSync(imagePath).sort(),
  };
}

/** A dump that has to fail in CRIU; gives its error. */
export async function dumpFails(
  scope: Scope,
  pid: number,
  options: DumpOptions = {},
): Promise<CriuError> {
  const imagePath = join(await scope.directory(), 'images');
  return await failureOf(dump(pid, { leaveRunning: true, imagePath, ...options }));
}

export type Fields = Record<string, FieldValue[]>;

/** The fields of the request that CRIU itself read off its socket. */
export async function fieldsReceived(
  scope: Scope,
  operate: (criu: Criu) => Promise<unknown>,
  type: 'DUMP' | 'RESTORE' = 'DUMP',
): Promise<Fields> {
  const traced = await traceCriu(scope);
  const criu = new Criu({ binary: traced.binary });
  await operate(criu);
  // Whoever looks at all processes called criu is not to meet the one that is kept ready here.
  await criu.close();
  const requests = await traced.requests();
  const request = requests.find((one) => one.type === type);
  if (request === undefined) {
    throw new Error(`criu received no ${type} but ${requests.map((one) => one.type).join(', ')}`);
  }
  return request.opts;
}
