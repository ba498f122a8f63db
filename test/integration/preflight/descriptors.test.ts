import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { explain } from '../../../lib/explain.js';
import { dumpFails } from '../../helpers/criu/attempt.js';
import { isFatal } from '../../helpers/criu/findings.js';
import { requireNeeds } from '../../helpers/needs.js';
import { useScope } from '../../helpers/scope.js';
import { runOk } from '../../helpers/system/exec.js';
import { startWorkload } from '../../helpers/system/process.js';
import { startSituation } from '../../helpers/workloads/situation.js';

const scope = useScope();
beforeAll(() =>
  requireNeeds('root', 'criu', 'libcriu', 'gcc', 'runc', 'busybox', 'setpriv', 'build'),
);

describe('explain finds', () => {
  test('a descriptor of an io_uring', async () => {
    const {
      pid,
      numbers: [fd = -1],
    } = await startSituation(scope, ['uring']);
    const findings = await explain(pid);
    expect(findings).toMatchObject([{ code: 'io-uring', severity: 'fails', pid, fd }]);
    expect((await dumpFails(scope, pid)).message).toContain('io_uring');
  });

  test('descriptors of kinds that CRIU does not know', async () => {
    const other = await startWorkload(scope, ['idle']);
    for (const args of [['uffd'], ['pidfd', other.pid], ['namespace-file']]) {
      const {
        pid,
        numbers: [fd = -1],
      } = await startSituation(scope, args);
      await isFatal(scope, pid, { code: 'unsupported-descriptor', pid, fd });
    }
  });

  test('descriptors of devices that CRIU does not know', async () => {
    const node = join(await scope.directory(), 'block');
    await runOk('mknod', [node, 'b', '7', '0']);
    const fuse = join(await scope.directory(), 'fuse');
    await runOk('mknod', [fuse, 'c', '10', '229']);
    for (const path of [fuse, node]) {
      const {
        pid,
        numbers: [fd = -1],
      } = await startSituation(scope, ['hold', path]);
      await isFatal(scope, pid, { code: 'unsupported-device', pid, fd, subject: path });
    }
  });

  test('a descriptor of a POSIX message queue', async () => {
    const {
      pid,
      numbers: [fd = -1],
    } = await startSituation(scope, ['mqueue', `/libcriu-${process.pid}`]);
    await isFatal(scope, pid, { code: 'posix-mqueue', pid, fd });
  });
});
