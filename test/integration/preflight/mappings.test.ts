import { beforeAll, describe, expect, test } from 'vitest';
import { isFatal } from '../../helpers/criu/findings.js';
import { requireNeeds } from '../../helpers/needs.js';
import { useScope } from '../../helpers/scope.js';
import { startSituation } from '../../helpers/workloads/situation.js';

const scope = useScope();
beforeAll(() =>
  requireNeeds('root', 'criu', 'libcriu', 'gcc', 'runc', 'busybox', 'setpriv', 'build'),
);

describe('explain finds', () => {
  test('a mapping that CRIU does not know, whose descriptor is closed', async () => {
    const { pid } = await startSituation(scope, ['perf']);
    await isFatal(scope, pid, {
      code: 'unsupported-mapping',
      pid,
      subject: expect.stringContaining('perf_event'),
    });
  });

  test("System V shared memory of the host's namespace", async () => {
    const { pid } = await startSituation(scope, ['shm']);
    expect(await isFatal(scope, pid, { code: 'sysv-shm', pid })).toContain('IPC ns');
  });
});
