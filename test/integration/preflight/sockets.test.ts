import { once } from 'node:events';
import { connect } from 'node:net';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { explain } from '../../../lib/explain.js';
import { dumpFails } from '../../helpers/criu/attempt.js';
import { isCured, isFatal } from '../../helpers/criu/findings.js';
import { requireNeeds } from '../../helpers/needs.js';
import { useScope } from '../../helpers/scope.js';
import { until } from '../../helpers/system/exec.js';
import { linkTarget } from '../../helpers/system/link.js';
import { startWorkload } from '../../helpers/system/process.js';
import { startSituation } from '../../helpers/workloads/situation.js';

const scope = useScope();
beforeAll(() =>
  requireNeeds('root', 'criu', 'libcriu', 'gcc', 'runc', 'busybox', 'setpriv', 'build'),
);

describe('explain finds', () => {
  test('an established TCP connection', async () => {
    const { pid } = await startWorkload(scope, ['tcp']);
    await isCured(scope, pid, { code: 'tcp-established', pid, option: 'tcpEstablished' });
    expect(await explain(pid, { tcpClose: true })).toEqual([]);
  });

  test('a connection that nobody has accepted', async () => {
    const { pid, report } = await startWorkload(scope, ['listen']);
    const client = connect(Number(report), '127.0.0.1');
    scope.defer(() => client.destroy());
    await once(client, 'connect');
    const subject = `127.0.0.1:${report}`;
    await isCured(scope, pid, {
      code: 'tcp-in-flight',
      pid,
      fd: 4,
      subject,
      option: 'tcpSkipInFlight',
    });
  });

  test('a datagram socket that is connected to another process', async () => {
    const path = join(await scope.directory(), 'socket');
    await startWorkload(scope, ['unix-server', path]);
    const { pid } = await startWorkload(scope, ['unix-client', path]);
    await isCured(scope, pid, { code: 'unix-external', pid, fd: 4, option: 'extUnixSk' });
  });

  test('half of a stream, as a child of Node.js with a pipe has it', async () => {
    const { pid } = await startSituation(scope, ['idle'], 'pipe');
    await isCured(scope, pid, { code: 'unix-external', pid, fd: 1, option: 'external' });
    // What is for datagrams does not help.
    expect(await explain(pid, { extUnixSk: true })).toMatchObject([{ option: 'external' }]);
    await dumpFails(scope, pid, { extUnixSk: true });
  });

  test('a stream to, and one from, another process', async () => {
    const path = join(await scope.directory(), 'socket');
    const server = await startSituation(scope, ['unix-server', path]);
    const client = await startSituation(scope, ['unix-client', path]);
    const accepted = `/proc/${server.pid}/fd/3`;
    await until('it is accepted', () => linkTarget(accepted)?.startsWith('socket:'));
    for (const { pid } of [client, server]) {
      const found = await explain(pid);
      expect(found[0]).toMatchObject({ code: 'unix-external', pid });
      await dumpFails(scope, pid);
    }
  });

  test('a socket of another family, by its name', async () => {
    const {
      pid,
      numbers: [fd = -1],
    } = await startSituation(scope, ['vsock']);
    const message = await isFatal(scope, pid, { code: 'socket-unknown', pid, fd });
    expect(message).toContain('(AF_VSOCK)');
  });

  test('multipath TCP', async () => {
    const { pid } = await startSituation(scope, ['mptcp']);
    const message = await isFatal(scope, pid, { code: 'socket-multipath', pid });
    expect(message).toContain('GODEBUG=multipathtcp=0');
  });
});
