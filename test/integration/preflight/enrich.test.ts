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
  test('gets what stands in the way', async () => {
    const path = join(await scope.directory(), 'lock');
    const { pid } = await startWorkload(scope, ['lock', path]);
    const error = await dumpFails(scope, pid);
    const before = error.message;
    const inspection = { criu: new Criu(), pid, preDump: false, options: {} };
    const same = await enrich(error, inspection);
    expect(same).toBe(error);
    expect(error.message.startsWith(before)).toBe(true);
    expect(error.message).toMatch(/pass fileLocks: true/);
    expect(error.stack).toContain(error.message);
    expect(error).toMatchObject({ findings: [{ code: 'file-lock', pid, fd: 4 }] });
  });

  test('stays as it is when there is nothing, no process, no time, or another cause', async () => {
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
      [Object.freeze(failed()), { ...options, pid: locked }, undefined],
      [new CriuError('ERR_CRIU_NOT_FOUND', 'it failed'), { ...options, pid: locked }, undefined],
      [new TypeError('it failed'), { ...options, pid: locked }, undefined],
    ] as const) {
      expect(await enrich(error, inspection, ms)).toBe(error);
      expect(error.message).toBe('it failed');
      expect(error).not.toHaveProperty('findings');
    }
  });
});
