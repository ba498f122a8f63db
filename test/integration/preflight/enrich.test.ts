import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { enrich } from '../../../lib/preflight/enrich.js';
import { Criu, CriuError } from '../../helpers/api.js';
import { dumpFails } from '../../helpers/criu/attempt.js';
import { requireNeeds } from '../../helpers/needs.js';
import { useScope } from '../../helpers/scope.js';
import { startWorkload } from '../../helpers/system/process.js';

const scope = useScope();
beforeAll(() =>
  requireNeeds('root', 'criu', 'libcriu', 'gcc', 'runc', 'busybox', 'setpriv', 'build'),
);

describe('the error of a dump', () => {
  test('gets the findings of what stands in its way', async () => {
    const path = join(await scope.directory(), 'lock');
    const { pid } = await startWorkload(scope, ['lock', path]);
    const error = await dumpFails(scope, pid);
    const before = error.message;
    const inspection = { criu: new Criu(), pid, preDump: false, options: {} };
    const told = await enrich(error, inspection);
    expect(error.message).toBe(before);
    expect(told.message.startsWith(before)).toBe(true);
    expect(told.message).toMatch(/pass fileLocks: true/);
    expect(told.stack).toContain(told.message);
    const { code, operation, stage, log, logFile } = error;
    const findings = [{ code: 'file-lock', pid, fd: 4 }];
    expect(told).toMatchObject({ code, operation, stage, log, logFile, findings });
  });

  test('stays as it is when nothing is found, the process or the time is over, or its cause is another one', async () => {
    const { pid } = await startWorkload(scope, ['idle']);
    const { pid: locked } = await startWorkload(scope, [
      'lock',
      join(await scope.directory(), 'lock'),
    ]);
    const options = { criu: new Criu(), preDump: false, options: {} };
    const failed = (): CriuError => new CriuError('ERR_CRIU_FAILED', 'it failed');
    for (const [error, inspection, ms] of [
      [failed(), { ...options, pid }, undefined],
      [failed(), { ...options, pid: 0x7ffffffe }, undefined],
      [failed(), { ...options, pid: locked }, 0],
      [new CriuError('ERR_CRIU_NOT_FOUND', 'it failed'), { ...options, pid: locked }, undefined],
      [new TypeError('it failed'), { ...options, pid: locked }, undefined],
    ] as const) {
      expect(await enrich(error, inspection, ms)).toBe(error);
      expect(error.message).toBe('it failed');
      if (error instanceof CriuError) expect(error.findings).toEqual([]);
    }
  });
});
