import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  writeFileSync,
} from 'node:fs';
import { link, mkdir, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { beforeAll, expect } from 'vitest';
import { type DumpOptions, dump } from '../../helpers/api.js';
import { dumpFails, dumpOk, fieldsReceived } from '../../helpers/criu/attempt.js';
import { requireNeeds } from '../../helpers/needs.js';
import { optionTest } from '../../helpers/option-test.js';
import { useScope } from '../../helpers/scope.js';
import { runOk, until } from '../../helpers/system/exec.js';
import { mountTmpfs } from '../../helpers/system/mounts.js';
import { isAlive, reachesState, startWorkload } from '../../helpers/system/process.js';
import { startSituation } from '../../helpers/workloads/situation.js';

const scope = useScope();
beforeAll(() => requireNeeds('root', 'criu', 'libcriu', 'rpc.proto', 'gcc', 'strace', 'protoc'));

optionTest('fileLocks', 'a held lock fails without and is in the images with it', async () => {
  const { pid } = await startWorkload(scope, ['lock', join(await scope.directory(), 'lock')]);
  expect((await dumpFails(scope, pid)).message).toMatch(/file.locks/);
  const { files } = await dumpOk(scope, pid, { fileLocks: true });
  expect(files).toContain('filelocks.img');
});

optionTest(
  'tcpEstablished',
  'an established connection fails without and is in the images with it',
  async () => {
    const { pid } = await startWorkload(scope, ['tcp']);
    expect((await dumpFails(scope, pid)).message).toMatch(/tcp-established/);
    const { files } = await dumpOk(scope, pid, { tcpEstablished: true });
    // Either end has its stream image.
    expect(files.filter((name) => name.startsWith('tcp-stream-'))).toHaveLength(2);
  },
);

optionTest('tcpClose', 'an established connection is dumped without its state', async () => {
  const { pid } = await startWorkload(scope, ['tcp']);
  await dumpFails(scope, pid);
  const { files } = await dumpOk(scope, pid, { tcpClose: true });
  expect(files.filter((name) => name.startsWith('tcp-stream-'))).toEqual([]);
});

optionTest(
  'tcpSkipInFlight',
  'a connection that nobody has accepted fails without it',
  async () => {
    const { pid, report } = await startWorkload(scope, ['listen']);
    const client = connect(Number(report), '127.0.0.1');
    scope.defer(() => client.destroy());
    await new Promise((resolve) => client.once('connect', resolve));
    expect((await dumpFails(scope, pid)).message).toMatch(/In-flight connection/);
    const { log } = await dumpOk(scope, pid, { tcpSkipInFlight: true });
    expect(log.has(/Skipping in-flight connection/)).toBe(true);
  },
);

optionTest(
  'extUnixSk',
  'a datagram socket with its peer outside of the tree fails without it',
  async () => {
    const path = join(await scope.directory(), 'socket');
    await startWorkload(scope, ['unix-server', path]);
    const { pid } = await startWorkload(scope, ['unix-client', path]);
    expect((await dumpFails(scope, pid)).message).toMatch(/External socket is used/);
    await dumpOk(scope, pid, { extUnixSk: true });
  },
);

optionTest('shellJob', 'a process that leads no session fails without it', async () => {
  const { pid } = await startWorkload(scope, ['idle'], { session: false });
  expect((await dumpFails(scope, pid)).message).toMatch(/not a session leader/);
  await dumpOk(scope, pid, { shellJob: true });
});

optionTest('linkRemap', 'an unlinked open file with another name fails without it', async () => {
  const directory = await scope.directory();
  const { pid } = await startWorkload(scope, [
    'link',
    join(directory, 'gone'),
    join(directory, 'kept'),
  ]);
  expect((await dumpFails(scope, pid)).message).toMatch(/link.remap/);
  const { files, log } = await dumpOk(scope, pid, { linkRemap: true });
  expect(files).toContain('remap-fpath.img');
  expect(log.has(/link.remap/)).toBe(true);
});

optionTest(
  'ghostLimit',
  'an unlinked file above it fails, below it becomes a ghost file',
  async () => {
    const path = join(await scope.directory(), 'ghost');
    const { pid } = await startWorkload(scope, ['ghost', path, 2 * 1024 * 1024]);
    expect((await dumpFails(scope, pid)).message).toMatch(/Can't dump ghost file/);
    const { files } = await dumpOk(scope, pid, { ghostLimit: 4 * 1024 * 1024 });
    expect(files.filter((name) => name.startsWith('ghost-file-'))).toHaveLength(1);
  },
);

optionTest('evasiveDevices', 'a device node that another one hides fails without it', async () => {
  const hidden = join(await scope.directory(), 'devices');
  await mkdir(hidden);
  const node = join(hidden, 'null');
  await runOk('mknod', [node, 'c', '1', '3']);
  const { pid } = await startWorkload(scope, ['hold', node]);
  await mountTmpfs(scope, '', hidden);
  await runOk('mknod', [node, 'c', '1', '3']);
  expect((await dumpFails(scope, pid)).message).toMatch(/Unaccessible path opened/);
  await dumpOk(scope, pid, { evasiveDevices: true });
});

optionTest(
  ['forceIrmap', 'irmapPaths'],
  'a watched file that a mount hides is looked for by inode',
  async () => {
    const directory = await scope.directory();
    const [visible, hidden] = [join(directory, 'visible'), join(directory, 'hidden')];
    await Promise.all([mkdir(visible), mkdir(hidden)]);
    await writeFile(join(visible, 'file'), '');
    await link(join(visible, 'file'), join(hidden, 'file'));
    const { pid } = await startWorkload(scope, ['watch', join(hidden, 'file')]);
    await mountTmpfs(scope, '', hidden);
    // Not forced, CRIU stores a handle without a path, whatever paths it may scan.
    const unforced = await dumpOk(scope, pid, { irmapPaths: [visible] });
    expect(unforced.log.has(/irmap: Resolving/)).toBe(false);
    // Forced, it scans its own few paths and then gives up.
    expect((await dumpFails(scope, pid, { forceIrmap: true })).message).toMatch(
      /Can't dump that handle/,
    );
    const { log } = await dumpOk(scope, pid, { forceIrmap: true, irmapPaths: [visible] });
    expect(log.text).toContain(`Scanned ${join(visible, 'file')}`);
  },
);

optionTest('leaveRunning', 'ends the process or leaves it running', async () => {
  const workload = await startWorkload(scope, ['idle']);
  await dumpOk(scope, workload.pid, { leaveRunning: true });
  await reachesState(workload.pid, 'S');
  await dumpOk(scope, workload.pid, { leaveRunning: false });
  await workload.gone;
  expect(isAlive(workload.pid)).toBe(false);
});

optionTest('leaveStopped', 'leaves the process stopped, to go on at SIGCONT', async () => {
  const { pid } = await startWorkload(scope, ['idle']);
  await dumpOk(scope, pid, { leaveRunning: false, leaveStopped: true });
  await reachesState(pid, 'T');
  process.kill(pid, 'SIGCONT');
  await reachesState(pid, 'S');
});

optionTest('allowUnrestorable', 'ends a process that CRIU cannot restore', async () => {
  const args = ['own-directory'];
  const { pid } = await startSituation(scope, args, 'ignore', 'unrestorable');
  const refused = await dumpFails(scope, pid, { leaveRunning: false });
  expect(refused).toMatchObject({ code: 'ERR_NOT_RESTORABLE' });
  expect(isAlive(pid)).toBe(true);
  await dumpOk(scope, pid, { leaveRunning: false, allowUnrestorable: true });
  await until('the process has ended', () => !isAlive(pid));
});

optionTest('logLevel', 'says less at a lower level', async () => {
  const { pid } = await startWorkload(scope, ['idle']);
  const [quiet, loud] = [
    await dumpOk(scope, pid, { logLevel: 1 }),
    await dumpOk(scope, pid, { logLevel: 4 }),
  ];
  expect(loud.log.has(/Dumping finished successfully/)).toBe(true);
  expect(quiet.log.has(/Dumping finished successfully/)).toBe(false);
});

optionTest('logFile', 'is the name of the log', async () => {
  const { pid } = await startWorkload(scope, ['idle']);
  const { result, files, imagePath } = await dumpOk(scope, pid, { logFile: 'other.log' });
  expect(result.logFile).toBe(join(imagePath, 'other.log'));
  expect(files).toContain('other.log');
  expect(files).not.toContain('dump.log');
});

optionTest('workPath', 'holds the log and the statistics', async () => {
  const { pid } = await startWorkload(scope, ['idle']);
  const workPath = join(await scope.directory(), 'work');
  const { result, files } = await dumpOk(scope, pid, { workPath });
  expect(result.logFile).toBe(join(workPath, 'dump.log'));
  expect(result.stats?.pagesWritten).toBeGreaterThan(0);
  expect(readdirSync(workPath).sort()).toEqual(['dump.log', 'stats-dump']);
  expect(files).toContain('inventory.img');
  expect(files).not.toContain('dump.log');
});

optionTest('imagePath', 'is ./checkpoint of the working directory by default', async () => {
  const { pid } = await startWorkload(scope, ['idle']);
  const directory = await scope.directory();
  const before = process.cwd();
  process.chdir(directory);
  try {
    const { imagePath } = await dump(pid, { leaveRunning: true });
    expect(imagePath).toBe(join(directory, 'checkpoint'));
    expect(existsSync(join(directory, 'checkpoint/inventory.img'))).toBe(true);
  } finally {
    process.chdir(before);
  }
});

optionTest('existing', 'a directory with content is refused, replaced, or added to', async () => {
  const { pid } = await startWorkload(scope, ['idle']);
  const imagePath = join(await scope.directory(), 'images');
  await mkdir(imagePath);
  await writeFile(join(imagePath, 'precious'), 'old');
  const options: DumpOptions = { leaveRunning: true, imagePath };
  await expect(dump(pid, options)).rejects.toMatchObject({
    code: 'ERR_CRIU_IMAGES_DIR',
  });
  expect(readdirSync(imagePath)).toEqual(['precious']);
  await dump(pid, { ...options, existing: 'reuse' });
  expect(readdirSync(imagePath)).toEqual(expect.arrayContaining(['inventory.img', 'precious']));
  await dump(pid, { ...options, existing: 'replace' });
  expect(readdirSync(imagePath)).toContain('inventory.img');
  expect(readdirSync(imagePath)).not.toContain('precious');
});

optionTest('configFile', 'overrides the request', async () => {
  const { pid } = await startWorkload(scope, ['lock', join(await scope.directory(), 'lock')]);
  const configFile = join(await scope.directory(), 'criu.conf');
  await dumpFails(scope, pid);
  writeFileSync(configFile, '# comment\nfile-locks\n');
  const { files } = await dumpOk(scope, pid, { configFile });
  expect(files).toContain('filelocks.img');
});

/** A process alone in a cgroup of the freezer. */
async function startInFreezer(): Promise<{ pid: number; group: string }> {
  const { pid } = await startWorkload(scope, ['idle']);
  const group = `/sys/fs/cgroup/freezer/libcriu-test-${pid}`;
  mkdirSync(group);
  scope.defer(async () => {
    writeFileSync('/sys/fs/cgroup/freezer/cgroup.procs', String(pid));
    await until(
      'the cgroup is empty',
      () => readFileSync(join(group, 'cgroup.procs'), 'utf8') === '',
    );
    rmdirSync(group);
  });
  writeFileSync(join(group, 'cgroup.procs'), String(pid));
  return { pid, group };
}

optionTest('freezeCgroup', 'its tasks are frozen, dumped and thawed', async () => {
  const { pid, group } = await startInFreezer();
  const { log } = await dumpOk(scope, pid, { freezeCgroup: group });
  expect(log.text).toContain(`freezing cgroup ${group}`);
  expect(readFileSync(join(group, 'freezer.state'), 'utf8').trim()).toBe('THAWED');
  const plain = await dumpOk(scope, pid);
  expect(plain.log.text).not.toContain('freezing cgroup');
});

optionTest('freezer', 'ptrace leaves the cgroup out', async () => {
  const { pid, group } = await startInFreezer();
  const { log } = await dumpOk(scope, pid, { freezeCgroup: group, freezer: 'ptrace' });
  expect(log.text).not.toContain('freezing cgroup');
  const both = await dumpOk(scope, pid, { freezeCgroup: group, freezer: 'cgroup' });
  expect(both.log.text).toContain('freezing cgroup');
});

optionTest(
  'timeoutMs',
  'CRIU is given whole seconds, rounded up, and bounds its freezing by them',
  async () => {
    const { pid } = await startWorkload(scope, ['idle']);
    const fields = await fieldsReceived(scope, (criu) =>
      dumpOk(scope, pid, { criu, timeoutMs: 59_500 }),
    );
    expect(fields['timeout']).toEqual(['60']);
  },
);

optionTest('signal', 'an abort rejects as Node does and the process goes on', async () => {
  const { pid } = await startWorkload(scope, ['memory', 256]);
  const imagePath = join(await scope.directory(), 'images');
  await expect(dump(pid, { imagePath, signal: AbortSignal.abort() })).rejects.toMatchObject({
    name: 'AbortError',
  });
  expect(existsSync(imagePath)).toBe(false);
  const controller = new AbortController();
  const cause = new Error('changed my mind');
  const hooks = {
    preDump: () => {
      setImmediate(() => controller.abort(cause));
    },
  };
  const dumping = dump(pid, { imagePath, signal: controller.signal, hooks });
  await expect(dumping).rejects.toMatchObject({ name: 'AbortError', code: 'ABORT_ERR', cause });
  await reachesState(pid, 'S');
});

// What follows has no effect that a dump would show (it is for restore, or for a parent image): that
// CRIU received the field is shown.
async function isReceived(options: DumpOptions, field: string, values: unknown[]): Promise<void> {
  const { pid } = await startWorkload(scope, ['idle']);
  const fields = await fieldsReceived(scope, (criu) => dumpOk(scope, pid, { criu, ...options }));
  expect(fields[field]).toEqual(values);
  const without = await fieldsReceived(scope, (criu) => dumpOk(scope, pid, { criu }));
  expect(without[field]).not.toEqual(values);
}

optionTest('weakSysctls', 'shows at restore only; received by CRIU', () =>
  isReceived({ weakSysctls: true }, 'weak_sysctls', ['true']),
);

optionTest('skipFileRwxCheck', 'shows at restore only; received by CRIU', () =>
  isReceived({ skipFileRwxCheck: true }, 'skip_file_rwx_check', ['true']),
);

optionTest('autoDedup', 'shows with parent images only; received by CRIU', () =>
  isReceived({ autoDedup: true }, 'auto_dedup', ['true']),
);

optionTest('root', 'shows at restore only; received by CRIU', () =>
  isReceived({ root: '/tmp' }, 'root', ['/tmp']),
);

optionTest('cgRoots', 'shows at restore only; received by CRIU', () =>
  isReceived({ cgRoots: [{ path: '/all' }, { controller: 'memory', path: '/one' }] }, 'cg_root', [
    { path: ['/all'] },
    { ctrl: ['memory'], path: ['/one'] },
  ]),
);
