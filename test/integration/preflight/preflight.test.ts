import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  copyFileSync,
  existsSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
} from 'node:fs';
import { chmod, copyFile, mkdir, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { explain } from '../../../lib/explain.js';
import { enrich } from '../../../lib/preflight/enrich.js';
import type { Finding } from '../../../lib/preflight/finding.js';
import { inspect } from '../../../lib/preflight/inspect.js';
import { Criu, CriuError, checkpoint, type DumpOptions, dump } from '../../helpers/api.js';
import { dumpFails, dumpOk } from '../../helpers/criu/attempt.js';
import { requireNeeds } from '../../helpers/needs.js';
import { criuBinary, distCli, distIndex } from '../../helpers/paths.js';
import { useScope } from '../../helpers/scope.js';
import { type Outcome, run, runOk, until } from '../../helpers/system/exec.js';
import { settledHoldings } from '../../helpers/system/leaks.js';
import {
  commandLine,
  isAlive,
  processState,
  reachesState,
  startNode,
  startWorkload,
  workloadBinary,
} from '../../helpers/system/process.js';
import { startContainer } from '../../helpers/workloads/container.js';
import { preflightBinary, startSituation } from '../../helpers/workloads/situation.js';

const scope = useScope();
beforeAll(() =>
  requireNeeds('root', 'criu', 'libcriu', 'gcc', 'runc', 'busybox', 'setpriv', 'build'),
);

/** What stands in the way; notices do not. */
const obstacles = (findings: readonly Finding[]): Finding[] =>
  findings.filter(({ severity }) => severity !== 'notice');

/** The finding is named, CRIU fails without its option, and neither is left with it. */
async function isCured(
  pid: number,
  expected: Partial<Finding>,
  options: DumpOptions = {},
): Promise<Finding> {
  const findings = obstacles(await explain(pid, options));
  const [finding] = findings;
  expect(finding).toMatchObject({ severity: 'needs-option', ...expected });
  if (finding?.option === undefined) throw new Error('no option');
  expect(finding.message).toContain(finding.option);
  await dumpFails(scope, pid, options);
  const cured: DumpOptions = { ...options };
  for (const { option, value } of findings) {
    if (option === undefined) throw new Error('no option');
    const before = (cured as Record<string, unknown>)[option];
    const all = Array.isArray(before) && Array.isArray(value) ? [...before, ...value] : value;
    Object.assign(cured, { [option]: all });
  }
  expect(obstacles(await explain(pid, cured))).toEqual([]);
  await dumpOk(scope, pid, cured);
  return finding;
}

/** The finding is named and CRIU fails, whatever is asked. */
async function isFatal(
  pid: number,
  expected: Partial<Finding>,
  options: DumpOptions = {},
): Promise<string> {
  const findings = await explain(pid, options);
  expect(findings[0]).toMatchObject({ severity: 'fails', ...expected });
  return (await dumpFails(scope, pid, options)).message;
}

/** A root directory with both workloads in it. */
async function rootDirectory(): Promise<string> {
  const root = join(await scope.directory(), 'root');
  await mkdir(root);
  copyFileSync(await workloadBinary(), join(root, 'workload'));
  copyFileSync(await preflightBinary(), join(root, 'preflight'));
  return root;
}

/** Of a container: a program that ends is a zombie for a moment, which is found. */
const withoutChildren = ['/workload', '/ready', 'idle'];

describe('nothing', () => {
  test('of a plain process, which is dumped', async () => {
    const { pid } = await startWorkload(scope, ['idle']);
    expect(await explain(pid)).toEqual([]);
    await dumpOk(scope, pid);
  });

  test('of a plain container, which is checkpointed', async () => {
    const container = await startContainer(scope, { args: withoutChildren });
    const { stateRoot } = container;
    expect(await explain(container.id, { stateRoot })).toEqual([]);
    const imagePath = container.path('images');
    await checkpoint(container.id, { stateRoot, imagePath, leaveRunning: true });
  });

  test('of threads, children and pairs of sockets', async () => {
    const threads = await startWorkload(scope, ['threads', 5]);
    expect(await explain(threads.pid)).toEqual([]);
    const children = await startWorkload(scope, ['children', 5]);
    expect(await explain(children.pid)).toEqual([]);
    const pairs = await startSituation(scope, ['pairs']);
    expect(await explain(pairs.pid)).toEqual([]);
    await dumpOk(scope, pairs.pid);
  });

  test('of a Node.js server that watches, waits and has children, which is dumped', async () => {
    const script = `
      const { createServer } = require('node:http');
      const { Worker } = require('node:worker_threads');
      require('node:fs').watch('/tmp');
      new Worker('setInterval(() => {}, 1000)', { eval: true });
      require('node:child_process').spawn('/bin/sleep', ['1000'], { stdio: 'pipe' });
      createServer().listen(0, '127.0.0.1');
      setTimeout(() => require('node:fs').writeFileSync(process.argv[1], 'up'), 300);
    `;
    const ready = join(await scope.directory(), 'ready');
    const child = spawn(process.execPath, ['-e', script, ready], {
      detached: true,
      stdio: 'ignore',
      cwd: '/',
    });
    const pid = child.pid ?? 0;
    scope.defer(() => process.kill(-pid, 'SIGKILL'));
    await until('the server is up', () => existsSync(ready), 10_000);
    expect(obstacles(await explain(pid))).toEqual([]);
    await dumpOk(scope, pid);
  });

  test('is touched: no state, no context switch, no tracer and no descriptor changes', async () => {
    const { pid } = await startWorkload(scope, ['tcp']);
    const look = (): string[] => [
      readFileSync(`/proc/${pid}/status`, 'utf8'),
      readFileSync(`/proc/${pid}/stat`, 'utf8'),
      readdirSync(`/proc/${pid}/fd`)
        .map((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`))
        .join(),
      readFileSync(`/proc/${pid}/maps`, 'utf8'),
    ];
    await reachesState(pid, 'S');
    await settledHoldings();
    const before = look();
    const open = readdirSync('/proc/self/fd').length;
    await explain(pid);
    expect(look()).toEqual(before);
    expect(readdirSync('/proc/self/fd').length).toBeLessThanOrEqual(open);
  });

  test('is stopped: a container counts on while it is looked at', async () => {
    const container = await startContainer(scope);
    const { stateRoot } = container;
    const before = (await container.ticks()).length;
    await until('it counts on meanwhile', async () => {
      await explain(container.id, { stateRoot });
      expect(container.freezer).toBe('THAWED');
      expect(processState(container.pid)?.state).not.toMatch(/[tT]/);
      return (await container.ticks()).length > before + 5;
    });
  });
});

describe('tasks', () => {
  test('a traced one', async () => {
    const { pid } = await startWorkload(scope, ['idle']);
    await startSituation(scope, ['tracer', pid]);
    await isFatal(pid, { code: 'task-traced', pid });
  });

  test('one in uninterruptible sleep, until its vfork child is done', async () => {
    const { pid } = await startSituation(scope, ['vfork']);
    await reachesState(pid, 'D');
    await isFatal(pid, { code: 'task-uninterruptible', pid }, { timeoutMs: 1_000 });
  });

  test('a zombie is a notice', async () => {
    const {
      pid,
      numbers: [zombie],
    } = await startSituation(scope, ['zombie']);
    expect(await explain(pid)).toMatchObject([{ code: 'zombie', severity: 'notice', pid: zombie }]);
    await dumpOk(scope, pid);
  });

  test('one whose first thread has ended', async () => {
    const { pid } = await startSituation(scope, ['headless']);
    await isFatal(pid, { code: 'zombie', pid });
  });

  test('a namespace inside of the tree', async () => {
    for (const type of ['ipc', 'uts']) {
      const {
        pid,
        numbers: [child],
      } = await startSituation(scope, ['nested', type]);
      const message = await isFatal(pid, { code: 'namespace-nested', pid: child ?? 0 });
      expect(message).toContain(type);
    }
  });

  test('one that is not the init of its pid namespace', async () => {
    const container = await startContainer(scope);
    const { stateRoot, id } = container;
    const args = ['--root', stateRoot, 'exec', '-d', id, '/bin/sleep', '1000'];
    await run('runc', args, { stdio: 'ignore' });
    const pid = await until('the second process', () =>
      readdirSync('/proc')
        .map(Number)
        .find(
          (other) =>
            other !== container.pid &&
            readableLink(`/proc/${other}/ns/pid`) ===
              readableLink(`/proc/${container.pid}/ns/pid`) &&
            /sleep.1000/.test(commandLine(other)),
        ),
    );
    const findings = await explain(pid);
    expect(findings.map(({ code }) => code)).toContain('namespace-init');
    await dumpFails(scope, pid);
  });

  test('this very process', async () => {
    const findings = await explain(process.pid);
    expect(findings).toContainEqual(expect.objectContaining({ code: 'self', severity: 'fails' }));
  });
});

function readableLink(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}

describe('descriptors', () => {
  test('an io_uring', async () => {
    const {
      pid,
      numbers: [fd = -1],
    } = await startSituation(scope, ['uring']);
    const findings = await explain(pid);
    expect(findings).toMatchObject([{ code: 'io-uring', severity: 'fails', pid, fd }]);
    expect((await dumpFails(scope, pid)).message).toContain('io_uring');
  });

  test('kinds that CRIU does not know', async () => {
    const other = await startWorkload(scope, ['idle']);
    for (const args of [['uffd'], ['pidfd', other.pid], ['namespace-file']]) {
      const {
        pid,
        numbers: [fd = -1],
      } = await startSituation(scope, args);
      await isFatal(pid, { code: 'unsupported-descriptor', pid, fd });
    }
  });

  test('devices that CRIU does not know', async () => {
    const node = join(await scope.directory(), 'block');
    await runOk('mknod', [node, 'b', '7', '0']);
    const fuse = join(await scope.directory(), 'fuse');
    await runOk('mknod', [fuse, 'c', '10', '229']);
    for (const path of [fuse, node]) {
      const {
        pid,
        numbers: [fd = -1],
      } = await startSituation(scope, ['hold', path]);
      await isFatal(pid, { code: 'unsupported-device', pid, fd, subject: path });
    }
  });

  test('a lock', async () => {
    const path = join(await scope.directory(), 'lock');
    const { pid } = await startWorkload(scope, ['lock', path]);
    await isCured(pid, { code: 'file-lock', pid, fd: 4, subject: path, option: 'fileLocks' });
  });

  test('a file from outside of the mount namespace', async () => {
    const root = await rootDirectory();
    const file = join(await scope.directory(), 'outside');
    const { pid } = await startSituation(scope, ['outside', root, file]);
    await isCured(pid, { code: 'file-outside', pid, option: 'external' }, { root });
  });

  test('a deleted file that is too large, open and mapped', async () => {
    const size = 2 * 1024 * 1024;
    const open = join(await scope.directory(), 'open');
    const { pid } = await startWorkload(scope, ['ghost', open, size]);
    await isCured(pid, { code: 'file-unlinked', pid, fd: 4, subject: open, option: 'ghostLimit' });
    const mapped = join(await scope.directory(), 'mapped');
    const other = await startSituation(scope, ['mapped', mapped, size]);
    await isCured(other.pid, { code: 'file-unlinked', subject: mapped, option: 'ghostLimit' });
    const small = join(await scope.directory(), 'small');
    const third = await startWorkload(scope, ['ghost', small, 4096]);
    expect(await explain(third.pid)).toEqual([]);
  });

  test('a program that was replaced, as an upgrade does', async () => {
    const program = join(await scope.directory(), 'program');
    await copyFile(process.execPath, program);
    await chmod(program, 0o755);
    const { pid } = await startNode(scope, 'setInterval(() => {}, 1000); ready("up")', program);
    expect(obstacles(await explain(pid))).toEqual([]);
    await runOk('rm', [program]);
    await isCured(pid, { code: 'file-unlinked', subject: program, option: 'ghostLimit' });
  });

  test('a file whose name is gone while another is left', async () => {
    const directory = await scope.directory();
    const [gone, kept] = [join(directory, 'gone'), join(directory, 'kept')];
    const { pid } = await startWorkload(scope, ['link', gone, kept]);
    await isCured(pid, { code: 'file-renamed', pid, fd: 4, subject: gone, option: 'linkRemap' });
  });

  test('a file that another one hides', async () => {
    const directory = await scope.directory();
    const path = join(directory, 'file');
    await writeFile(path, '');
    const {
      pid,
      numbers: [fd = -1],
    } = await startSituation(scope, ['hold', path]);
    await runOk('mount', ['-t', 'tmpfs', 'none', directory]);
    scope.defer(() => runOk('umount', ['--lazy', directory]));
    await writeFile(path, 'another');
    await isFatal(pid, { code: 'file-hidden', pid, fd, subject: path });
  });

  test('a file on a mount under another mount', async () => {
    const directory = await scope.directory();
    scope.defer(() => runOk('umount', ['--lazy', directory]));
    scope.defer(() => runOk('umount', ['--lazy', directory]));
    const {
      pid,
      numbers: [fd = -1],
    } = await startSituation(scope, ['covered', directory]);
    expect(await isFatal(pid, { code: 'file-hidden', pid, fd })).toContain('overmounted');
  });

  test('a device whose node was made anew', async () => {
    const directory = await scope.directory();
    const node = join(directory, 'null');
    await runOk('mknod', [node, 'c', '1', '3']);
    const { pid } = await startWorkload(scope, ['hold', node]);
    await runOk('mount', ['-t', 'tmpfs', 'none', directory]);
    scope.defer(() => runOk('umount', ['--lazy', directory]));
    await runOk('mknod', [node, 'c', '1', '3']);
    await isCured(pid, { code: 'file-hidden', pid, fd: 4, option: 'evasiveDevices' });
  });

  test('a watched file that has to be looked for', async () => {
    const directory = await scope.directory();
    await runOk('mount', ['-t', 'tmpfs', 'none', directory]);
    scope.defer(() => runOk('umount', ['--lazy', directory]));
    const [lower = '', upper = '', work = '', merged = ''] = ['l', 'u', 'w', 'm'].map((name) =>
      join(directory, name),
    );
    for (const layer of [lower, upper, work, merged]) await mkdir(layer);
    await writeFile(join(lower, 'file'), '');
    const layers = `lowerdir=${lower},upperdir=${upper},workdir=${work}`;
    await runOk('mount', ['-t', 'overlay', 'none', '-o', layers, merged]);
    scope.defer(() => runOk('umount', ['--lazy', merged]));
    const path = join(merged, 'file');
    const {
      pid,
      numbers: [fd = -1],
    } = await startSituation(scope, ['watch', path]);
    expect(await explain(pid)).toMatchObject([
      { code: 'watch', severity: 'needs-option', pid, fd, option: 'irmapPaths' },
    ]);
    await dumpFails(scope, pid);
    expect(await explain(pid, { irmapPaths: [merged] })).toEqual([]);
    await dumpOk(scope, pid, { irmapPaths: [merged] });
  });

  test('a POSIX message queue', async () => {
    const {
      pid,
      numbers: [fd = -1],
    } = await startSituation(scope, ['mqueue', `/libcriu-${process.pid}`]);
    await isFatal(pid, { code: 'posix-mqueue', pid, fd });
  });
});

describe('sockets', () => {
  test('an established TCP connection', async () => {
    const { pid } = await startWorkload(scope, ['tcp']);
    await isCured(pid, { code: 'tcp-established', pid, option: 'tcpEstablished' });
    expect(await explain(pid, { tcpClose: true })).toEqual([]);
  });

  test('a connection that nobody has accepted', async () => {
    const { pid, report } = await startWorkload(scope, ['listen']);
    const client = connect(Number(report), '127.0.0.1');
    scope.defer(() => client.destroy());
    await once(client, 'connect');
    const subject = `127.0.0.1:${report}`;
    await isCured(pid, { code: 'tcp-in-flight', pid, fd: 4, subject, option: 'tcpSkipInFlight' });
  });

  test('a datagram socket that is connected to another process', async () => {
    const path = join(await scope.directory(), 'socket');
    await startWorkload(scope, ['unix-server', path]);
    const { pid } = await startWorkload(scope, ['unix-client', path]);
    await isCured(pid, { code: 'unix-external', pid, fd: 4, option: 'extUnixSk' });
  });

  test('half of a stream, as a child with a pipe of Node.js has it', async () => {
    const { pid } = await startSituation(scope, ['idle'], 'pipe');
    await isCured(pid, { code: 'unix-external', pid, fd: 1, option: 'external' });
    // What is for datagrams does not help.
    expect(await explain(pid, { extUnixSk: true })).toMatchObject([{ option: 'external' }]);
    await dumpFails(scope, pid, { extUnixSk: true });
  });

  test('a connection to, and one from, another process', async () => {
    const path = join(await scope.directory(), 'socket');
    const server = await startSituation(scope, ['unix-server', path]);
    const client = await startSituation(scope, ['unix-client', path]);
    const accepted = `/proc/${server.pid}/fd/3`;
    await until('it is accepted', () => readableLink(accepted)?.startsWith('socket:'));
    for (const { pid } of [client, server]) {
      const found = await explain(pid);
      expect(found[0]).toMatchObject({ code: 'unix-external', pid });
      await dumpFails(scope, pid);
    }
  });

  test('one that is in no table is a notice', async () => {
    const {
      pid,
      numbers: [fd = -1],
    } = await startSituation(scope, ['vsock']);
    expect(await explain(pid)).toMatchObject([
      { code: 'socket-unknown', severity: 'notice', pid, fd },
    ]);
    expect((await dumpFails(scope, pid)).message).toContain('family 40');
  });

  test('multipath TCP is a notice, for the kernel tells it not apart', async () => {
    const { pid } = await startSituation(scope, ['mptcp']);
    expect(await explain(pid)).toMatchObject([
      { code: 'socket-multipath', severity: 'notice', pid },
    ]);
    expect((await dumpFails(scope, pid)).message).toContain('proto 262');
  });
});

describe('terminals', () => {
  test('a process that leads no session', async () => {
    const { pid } = await startWorkload(scope, ['idle'], { session: false });
    await isCured(pid, { code: 'session', pid, option: 'shellJob' });
  });

  test('a session that is led from outside of the pid namespace', async () => {
    const program = `
      import { spawn } from 'node:child_process';
      import { dump, explain } from ${JSON.stringify(distIndex)};
      const { pid } = spawn('sleep', ['60'], { stdio: 'ignore' });
      const [finding] = await explain(pid, { shellJob: true });
      const options = { imagePath: process.argv[1], shellJob: true };
      const message = await dump(pid, options).then(() => '', (error) => error.message);
      console.log(JSON.stringify({ finding, message }));
      process.exit();
    `;
    const node = [process.execPath, '--input-type=module', '--eval', program];
    const images = join(await scope.directory(), 'images');
    const inside = ['--pid', '--fork', '--mount-proc', ...node, images];
    const { finding, message } = JSON.parse(await runOk('unshare', inside));
    expect(finding).toMatchObject({ code: 'session', severity: 'fails' });
    expect(message).toContain('outside of its pid namespace');
  });

  test('a leader whose terminal has its master outside, and a member of its session', async () => {
    const {
      numbers: [leader = 0, member = 0],
    } = await startSituation(scope, ['terminal', 1]);
    await isCured(leader, { code: 'terminal', pid: leader, option: 'shellJob' });
    const codes = (await explain(member)).map(({ code }) => code).sort();
    expect(codes).toContain('session');
    expect(codes).toContain('terminal');
    await dumpFails(scope, member);
    expect(await explain(member, { shellJob: true })).toEqual([]);
    await dumpOk(scope, member, { shellJob: true });
  });

  test('two terminals from outside', async () => {
    const {
      numbers: [leader = 0],
    } = await startSituation(scope, ['terminal', 2]);
    await isFatal(leader, { code: 'terminal', pid: leader }, { shellJob: true });
  });
});

describe('memory', () => {
  test('a mapping that CRIU does not know, whose descriptor is closed', async () => {
    const { pid } = await startSituation(scope, ['perf']);
    await isFatal(pid, {
      code: 'unsupported-mapping',
      pid,
      subject: expect.stringContaining('perf_event'),
    });
  });

  test("System V shared memory of the host's namespace", async () => {
    const { pid } = await startSituation(scope, ['shm']);
    expect(await isFatal(pid, { code: 'sysv-shm', pid })).toContain('IPC ns');
  });
});

describe('mounts', () => {
  test('a directory of the host', async () => {
    const root = await rootDirectory();
    const source = join(await scope.directory(), 'source');
    await mkdir(join(source, 'below'), { recursive: true });
    await runOk('mount', ['-t', 'tmpfs', 'none', source]);
    scope.defer(() => runOk('umount', ['--lazy', source]));
    await runOk('mount', ['--make-private', source]);
    await mkdir(join(source, 'below'));
    const { pid } = await startWorkload(scope, [
      'mounts',
      root,
      `bind:${join(source, 'below')}:/data`,
    ]);
    const expected = { code: 'mount-external', pid, subject: '/data', option: 'external' } as const;
    await isCured(pid, expected, { root });
    expect(await explain(pid, { root, autoExtMnt: true })).toEqual([]);
    await dumpOk(scope, pid, { root, autoExtMnt: true });
  });

  test('one that receives mounts from the host', async () => {
    const root = await rootDirectory();
    const source = join(await scope.directory(), 'source');
    await mkdir(source);
    await runOk('mount', ['-t', 'tmpfs', 'none', source]);
    scope.defer(() => runOk('umount', ['--lazy', source]));
    await runOk('mount', ['--make-shared', source]);
    const { pid } = await startWorkload(scope, ['mounts', root, `slave:${source}:/data`]);
    await isCured(pid, { code: 'mount-external', pid, subject: '/data' }, { root });
    expect(await explain(pid, { root, autoExtMnt: true })).not.toEqual([]);
    const both = { root, autoExtMnt: true, extMasters: true };
    expect(await explain(pid, both)).toEqual([]);
    await dumpOk(scope, pid, both);
  });

  test('a file system that CRIU does not know', async () => {
    const root = await rootDirectory();
    const { pid } = await startWorkload(scope, ['mounts', root, 'fs:ramfs:/fs']);
    const expected = {
      code: 'mount-unsupported',
      pid,
      subject: '/fs',
      option: 'enableFs',
    } as const;
    await isCured(pid, expected, { root });
    expect(await explain(pid, { root, skipMnt: ['/fs'] })).toEqual([]);
  });

  test('a mount that was added to a running container', async () => {
    const source = await scope.directory();
    await mkdir(join(source, 'below'));
    const container = await startContainer(scope, {
      args: withoutChildren,
      configure: (config) => {
        config.linux['rootfsPropagation'] = 'private';
      },
    });
    const { stateRoot } = container;
    const inside = ['--target', String(container.pid), '--mount', '--', '/bin/busybox'];
    await mkdir(join(container.rootfs, 'added'));
    await runOk('nsenter', [...inside, 'mount', '-o', 'bind', '/bin', '/added']);
    // What lies in the container's own root is no obstacle.
    expect(await explain(container.id, { stateRoot })).toEqual([]);
    await checkpoint(container.id, {
      stateRoot,
      imagePath: container.path('images'),
      leaveRunning: true,
    });
  });

  test('message queues of a container', async () => {
    const container = await startContainer(scope);
    const { stateRoot } = container;
    const queue = `/proc/${container.pid}/root/dev/mqueue/queue`;
    await writeFile(queue, '');
    const [finding] = await explain(container.id, { stateRoot });
    expect(finding).toMatchObject({ code: 'posix-mqueue', severity: 'fails', pid: container.pid });
    const imagePath = container.path('images');
    await expect(
      checkpoint(container.id, { stateRoot, imagePath, leaveRunning: true }),
    ).rejects.toThrow(/mqueue/);
  });
});

describe('containers', () => {
  test('a file of the host as standard output', async () => {
    const container = await startContainer(scope, {
      start: 'create',
      args: ['/bin/sleep', '1000'],
    });
    await container.runcOk('delete', '--force', container.id);
    const file = openSync(join(await scope.directory(), 'output'), 'w');
    const runc = spawn(
      'runc',
      ['--root', container.stateRoot, 'run', '-d', '-b', container.bundle, container.id],
      { stdio: ['ignore', file, 'ignore'] },
    );
    expect(await once(runc, 'exit')).toEqual([0, null]);
    const { stateRoot, pid } = container;
    await until('its program runs', () => processState(pid)?.name === 'sleep');
    const [finding] = await explain(container.id, { stateRoot });
    expect(finding).toMatchObject({
      code: 'file-outside',
      severity: 'needs-option',
      pid,
      fd: 1,
      option: 'external',
    });
    const imagePath = container.path('images');
    const options = { stateRoot, imagePath, leaveRunning: true };
    await expect(checkpoint(container.id, options)).rejects.toThrow(/lookup mount/);
    const external = finding?.value as readonly string[];
    expect(await explain(container.id, { stateRoot, external })).toEqual([]);
    await checkpoint(container.id, { ...options, external });
  });

  test('what is the matter with a container, and with a pid', async () => {
    await expect(explain('no-such-container')).rejects.toMatchObject({
      code: 'ERR_CONTAINER_NOT_FOUND',
    });
    await expect(explain(0x7ffffffe)).rejects.toMatchObject({ code: 'ERR_PROCESS_NOT_FOUND' });
    const container = await startContainer(scope, { start: 'create' });
    await expect(explain(container.id, { stateRoot: container.stateRoot })).rejects.toMatchObject({
      code: 'ERR_CONTAINER_STATE',
    });
  });

  test("the container's configuration file counts", async () => {
    const configFile = join(await scope.directory(), 'criu.conf');
    await writeFile(configFile, 'file-locks\n');
    const container = await startContainer(scope, {
      args: ['/workload', '/ready', 'lock', '/lock'],
      configure: (config) => {
        config.annotations = { 'org.criu.config': configFile };
      },
    });
    const { stateRoot } = container;
    expect(await explain(container.id, { stateRoot })).toEqual([]);
    await checkpoint(container.id, {
      stateRoot,
      imagePath: container.path('images'),
      leaveRunning: true,
    });
    await writeFile(configFile, '');
    const [finding] = await explain(container.id, { stateRoot });
    expect(finding).toMatchObject({ code: 'file-lock', pid: container.pid, option: 'fileLocks' });
  });
});

describe('the machine', () => {
  /** Runs the command, or a dump by the package, as root without a capability. */
  async function without(capability: string, ...args: string[]): Promise<Outcome> {
    const lacking = ['--bounding-set', `-${capability}`, '--inh-caps', `-${capability}`];
    return run('setpriv', [...lacking, process.execPath, ...args]);
  }

  async function capabilityFinding(capability: string, pid: number): Promise<Finding | undefined> {
    const { stdout } = await without(
      capability,
      distCli,
      'explain',
      '--format=json',
      `--pid=${pid}`,
    );
    return (JSON.parse(stdout) as Finding[]).find(({ code }) => code === 'capability');
  }

  async function isDumpedWithout(capability: string, pid: number): Promise<boolean> {
    const imagePath = JSON.stringify(join(await scope.directory(), 'images'));
    const dump = `dump(${pid}, { leaveRunning: true, imagePath: ${imagePath} })`;
    const script = `import(${JSON.stringify(distIndex)}).then(({ dump }) => ${dump})`;
    return (await without(capability, '-e', script)).code === 0;
  }

  test('a capability that this process lacks', async () => {
    const plain = await startWorkload(scope, ['idle']);
    const own = await startWorkload(scope, ['netns']);
    for (const [capability, pid, fails] of [
      ['sys_ptrace', plain.pid, true],
      ['sys_admin', plain.pid, false],
      ['sys_admin', own.pid, true],
      ['checkpoint_restore', plain.pid, false],
    ] as const) {
      const finding = await capabilityFinding(capability, pid);
      const subject = `CAP_${capability.toUpperCase()}`;
      if (fails) expect(finding).toMatchObject({ severity: 'fails', subject });
      else expect(finding).toBeUndefined();
      expect([capability, await isDumpedWithout(capability, pid)]).toEqual([capability, !fails]);
    }
  });

  test('a process that is not root', async () => {
    const { pid } = await startWorkload(scope, ['idle']);
    const stdout = await runOk('setpriv', [
      ...['--reuid', '65534', '--clear-groups', process.execPath],
      ...[distCli, 'explain', '--format', 'json', '--pid', String(pid)],
    ]);
    expect(JSON.parse(stdout)).toMatchObject([
      { code: 'capability', severity: 'fails', subject: 'root' },
      { code: 'unreadable', severity: 'notice', pid },
    ]);
  });

  test('no space for the images', async () => {
    const small = await scope.directory();
    await runOk('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'none', small]);
    scope.defer(() => runOk('umount', ['--lazy', small]));
    const { pid } = await startWorkload(scope, ['memory', 32]);
    const imagePath = join(small, 'images');
    expect(await explain(pid, { imagePath })).toMatchObject([
      { code: 'no-space', severity: 'fails', pid, subject: small },
    ]);
    await dumpFails(scope, pid, { imagePath });
    expect(await explain(pid)).toEqual([]);
  });

  test('a feature that this kernel lacks', async () => {
    const criu = new Criu();
    const { pid } = await startWorkload(scope, ['idle']);
    const found = await explain(pid, { trackMem: true });
    if ((await criu.features()).memTrack) {
      expect(found).toEqual([]);
      return;
    }
    expect(found).toMatchObject([{ code: 'feature', severity: 'fails', pid }]);
    expect((await dumpFails(scope, pid, { trackMem: true })).code).toBe('ERR_CRIU_FEATURE_MISSING');
  });

  test('pipes too small for lazy pages', async () => {
    const setting = '/proc/sys/fs/pipe-max-size';
    const before = readFileSync(setting, 'utf8');
    scope.defer(() => writeFile(setting, before));
    await writeFile(setting, String(1024 * 1024));
    const effective = /^CapEff:\s*(\w+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
    const hasResource = ((BigInt(`0x${effective}`) >> 24n) & 1n) === 1n;
    const imagePath = join(await scope.directory(), 'images');
    const port = 20_000 + (process.pid % 10_000);
    const options = { imagePath, lazyPages: true, pageServer: `127.0.0.1:${port}` };
    const small = await startWorkload(scope, ['idle']);
    expect(await explain(small.pid, options)).toEqual([]);
    const { pid } = await startWorkload(scope, ['memory', 32]);
    expect(await explain(pid)).toEqual([]);
    if (hasResource) {
      // Root may have pipes of any size.
      expect(await explain(pid, options)).toEqual([]);
      return;
    }
    expect(await explain(pid, options)).toMatchObject([
      { code: 'lazy-pages-pipe', severity: 'fails', pid },
    ]);
    // Restored tasks would run already when CRIU finds out, so the dump is refused.
    await expect(dump(pid, options)).rejects.toMatchObject({
      code: 'ERR_CRIU_FEATURE_MISSING',
      message: expect.stringMatching(/fs\.pipe-max-size is 1048576.*raise it to 4194304/) as string,
      findings: [{ code: 'lazy-pages-pipe' }],
    });
    expect(existsSync(imagePath)).toBe(false);
    expect(isAlive(pid)).toBe(true);
    await writeFile(setting, String(4 * 1024 * 1024));
    expect(await explain(pid, options)).toEqual([]);
  });

  test('a kernel-data cache that is not on a tmpfs is a notice', async () => {
    const directory = await scope.directory();
    const binary = join(directory, 'criu');
    const program = readFileSync(criuBinary);
    const at = program.indexOf('/criu.kdat\0');
    const start = program.lastIndexOf(0, at) + 1;
    // A directory of the same length that is none.
    program.fill('x', start + 1, at);
    await writeFile(binary, program);
    await chmod(binary, 0o755);
    const { pid } = await startWorkload(scope, ['idle']);
    const criu = new Criu({ binary });
    const found = await inspect({ criu, pid, preDump: false, options: {} });
    expect(found).toMatchObject([{ code: 'kernel-data-cache', severity: 'notice' }]);
    await dump(pid, { criu, imagePath: join(directory, 'images'), leaveRunning: true });
    expect(isAlive(pid)).toBe(true);
  });
});

describe('the command', () => {
  test('prints a line for each finding, with its flag', async () => {
    const path = join(await scope.directory(), 'ghost');
    const { pid } = await startWorkload(scope, ['ghost', path, 2 * 1024 * 1024]);
    const explainPid = [distCli, 'explain', '--pid', String(pid)];
    const stdout = await runOk(process.execPath, explainPid);
    expect(stdout).toMatch(
      /^needs-option: Descriptor 4 of .* pass --ghost-limit 2097152 or more\n$/,
    );
    expect(await runOk(process.execPath, [...explainPid, '--ghost-limit=4M'])).toBe('');
    const root = await rootDirectory();
    const other = await startSituation(scope, ['outside', root, `${path}-outside`]);
    const flag = ['--external', (await explain(other.pid))[0]?.value as unknown as string].flat();
    const outside = [distCli, 'explain', '--pid', String(other.pid)];
    expect(await runOk(process.execPath, outside)).toContain(`pass ${flag[0]} '${flag[1]}' and`);
    expect(await runOk(process.execPath, [...outside, ...flag])).toBe('');
  });

  test('looks at a container, and refuses what it does not understand', async () => {
    const container = await startContainer(scope, { args: withoutChildren });
    const { stateRoot, id } = container;
    expect(await runOk(process.execPath, [distCli, '--root', stateRoot, 'explain', id])).toBe('');
    for (const [args, sentence] of [
      [[], /Expected exactly one argument, the container id, or --pid/],
      [['--pid', 'x'], /Expected the id of a process for --pid but received 'x'/],
      [['--pid', '1', 'web'], /Expected no argument beside --pid/],
      [['--format', 'xml', 'web'], /Expected 'text' or 'json' for --format/],
      [['no-such-container'], /container does not exist/],
    ] as const) {
      const { code, stderr } = await run(process.execPath, [distCli, 'explain', ...args]);
      expect(code).toBe(1);
      expect(stderr).toMatch(sentence);
    }
  });
});

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

describe('processes that come and go', () => {
  test('are left out when they vanish', async () => {
    const child = spawn('/bin/sh', ['-c', 'while :; do /bin/true; done'], {
      detached: true,
      stdio: 'ignore',
    });
    scope.defer(() => child.kill('SIGKILL'));
    const pid = child.pid ?? 0;
    for (let round = 0; round < 30; round += 1) {
      const found = await explain(pid);
      expect(found.filter(({ code }) => code === 'unreadable')).toEqual([]);
    }
  });

  test('two hundred of them are looked at in time', async () => {
    const { pid } = await startWorkload(scope, ['children', 200]);
    const start = performance.now();
    expect(await explain(pid)).toEqual([]);
    expect(performance.now() - start).toBeLessThan(15_000);
  });
});
