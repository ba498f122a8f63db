import { spawn } from 'node:child_process';
import { beforeAll, describe, expect, test } from 'vitest';
import type { FindingCode } from '../../../lib/base/finding.js';
import { explain } from '../../../lib/explain.js';
import { checkpoint } from '../../helpers/api.js';
import { dumpOk } from '../../helpers/criu/attempt.js';
import { isFatal, obstacles } from '../../helpers/criu/findings.js';
import { requireNeeds } from '../../helpers/needs.js';
import { failureOf } from '../../helpers/rejection.js';
import { useScope } from '../../helpers/scope.js';
import { run, runOk, until } from '../../helpers/system/exec.js';
import { startContainer } from '../../helpers/workloads/container.js';
import { startSituation } from '../../helpers/workloads/situation.js';

const scope = useScope();
beforeAll(() => requireNeeds('root', 'criu', 'libcriu', 'gcc', 'runc', 'busybox', 'build'));

async function start(mode: string): Promise<number> {
  const directory = await scope.directory();
  // A tool that follows paths which are too long for one call.
  scope.defer(() => runOk('find', [directory, '-mindepth', '1', '-delete']));
  const { pid } = await startSituation(scope, [mode, directory], 'ignore', 'refused');
  return pid;
}

const refused: readonly (readonly [mode: string, code: FindingCode])[] = [
  ['packet-pipe', 'unsupported-descriptor'],
  ['cork', 'socket-data'],
  ['netlink', 'socket-data'],
  ['netlink-high-group', 'socket-membership'],
  ['netlink-group-without-port', 'socket-membership'],
  ['packet-membership-twice', 'socket-membership'],
  ['credentials-in-queue', 'socket-data'],
  ['credentials-of-datagrams', 'socket-data'],
  ['times-in-queue', 'socket-data'],
  ['alarm-timer', 'unsupported-descriptor'],
  ['watched-proc', 'watch'],
  ['watched-terminals', 'watch'],
  ['stale-epoll', 'unsupported-descriptor'],
  ['tunnel', 'unsupported-device'],
  ['deep-directory', 'file-hidden'],
  ['path-socket', 'unsupported-descriptor'],
  ['closed-in-backlog', 'unix-in-flight'],
  ['data-in-backlog', 'unix-in-flight'],
  ['packets-in-backlog', 'unix-in-flight'],
  ['redirected-datagrams', 'unix-external'],
  ['vsock', 'socket-unknown'],
  ['vsock-packets', 'socket-unknown'],
  ['xdp', 'socket-unknown'],
  ['another-root', 'file-hidden'],
  ['socket-of-another-network', 'unix-external'],
  ['peer-in-another-network', 'unix-external'],
  ['mptcp', 'socket-multipath'],
  ['shared-directories', 'task-shared'],
  ['shared-memory', 'task-shared'],
  ['descriptors-of-children', 'task-shared'],
];

describe('explain', () => {
  test.each(refused)('foresees that CRIU refuses %s', async (mode, code) => {
    const pid = await start(mode);
    await isFatal(scope, pid, { code });
  });

  test.each([
    'netlink-group',
    'packet-membership',
    'data-in-queue',
    'timer',
    'duplicated-epoll',
    'backlog',
    'in-flight',
    'bytes',
    'unused-sockets',
    'descriptors-of-parent',
  ])('accuses nothing of %s, which CRIU saves', async (mode) => {
    const pid = await start(mode);
    expect(obstacles(await explain(pid))).toEqual([]);
    await dumpOk(scope, pid);
  });

  test('does not take a shell that starts one program after the other for tasks that share memory', async () => {
    const shell = spawn('sh', ['-c', 'while :; do /bin/true; done'], {
      stdio: 'ignore',
      detached: true,
      cwd: '/',
    });
    const { pid = 0 } = shell;
    scope.defer(() => void process.kill(-pid, 'SIGKILL'));
    for (let round = 0; round < 30; round += 1) {
      const codes = (await explain(pid)).map(({ code }) => code);
      expect(codes).not.toContain('task-shared');
    }
  });

  test('finds a process that joined a container and not its cgroup', async () => {
    const container = await startContainer(scope);
    const { id, stateRoot, pid } = container;
    const inside = ['-p', '-t', String(pid), 'sh', '-c', 'sleep 300 </dev/null >/dev/null 2>&1 &'];
    await run('nsenter', inside, { stdio: 'ignore' });
    const found = await until('the finding', async () => {
      const findings = await explain(id, { stateRoot });
      return findings.find(({ code }) => code === 'task-outside-cgroup');
    });
    expect(found).toMatchObject({ severity: 'fails', subject: 'sleep' });
    // Its session is outside, too.
    expect(await explain(id, { stateRoot })).toContainEqual(
      expect.objectContaining({ code: 'session', severity: 'fails', pid: found.pid }),
    );
    await failureOf(
      checkpoint(id, { stateRoot, imagePath: container.path('images'), leaveRunning: true }),
    );
    process.kill(found.pid, 'SIGKILL');
  });
});
