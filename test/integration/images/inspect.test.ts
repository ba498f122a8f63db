import { closeSync, copyFileSync, openSync, readFileSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  type CheckpointReport,
  checkpoint,
  dumpMemory,
  inspect,
  searchMemory,
} from '../../helpers/api.js';
import { requireNeeds } from '../../helpers/needs.js';
import { distCli } from '../../helpers/paths.js';
import { Scope } from '../../helpers/scope.js';
import { runOk } from '../../helpers/system/exec.js';
import { workloadBinary } from '../../helpers/system/process.js';
import { startContainer } from '../../helpers/workloads/container.js';

const shared = new Scope();
afterAll(() => shared.close());

let directory = '';
let archive = '';
let report: CheckpointReport;
/** The container's first process, as this machine sees it, which runs on. */
let pid = 0;

beforeAll(async () => {
  requireNeeds('root', 'criu', 'libcriu', 'build', 'runc', 'busybox', 'gcc');
  const program = await workloadBinary('kinds');
  const container = await startContainer(shared, {
    args: ['/workload', '/ready', '/tmp', 'sysv'],
    configure: (_, { rootfs }) => copyFileSync(program, join(rootfs, 'workload')),
  });
  const { stateRoot } = container;
  pid = container.pid;
  const options = { stateRoot, tcpEstablished: true, fileLocks: true, leaveRunning: true };
  directory = container.path('images');
  archive = container.path('web.tar.gz');
  await checkpoint(container.id, { ...options, imagePath: directory });
  await checkpoint(container.id, { ...options, export: archive });
  report = await inspect(directory);
});

test('a container is told with its processes and their arguments', () => {
  expect(report).toMatchObject({ kind: 'container', format: 'images' });
  const [init, child] = report.processes;
  expect(init).toMatchObject({
    pid: 1,
    parentPid: 0,
    name: 'workload',
    state: 'alive',
    commandLine: ['/workload', '/ready', '/tmp', 'sysv'],
    executable: '/workload',
    root: '/',
    uid: 0,
  });
  expect(init?.threads).toHaveLength(2);
  expect(child).toMatchObject({ parentPid: 1, commandLine: init?.commandLine });
});

test('what is open is told in words', () => {
  const described = report.processes[0]?.descriptors.map(({ description }) => description) ?? [];
  expect(described).toEqual(
    expect.arrayContaining([
      '/tmp/locked',
      '/tmp/removed',
      '/tmp/fifo',
      'inotify, 1 watched',
      'memfd:a memfd',
      'epoll, 1 watched',
      'eventfd, 7',
      'timerfd',
      'signalfd',
      'unix /tmp/a socket LISTEN',
      'netlink',
    ]),
  );
  expect(described.filter((text) => /^\/dev\/pts\/\d+$/.test(text))).toHaveLength(2);
});

test('sockets are told with their ends, their queues and their holders', () => {
  const connections = report.sockets.filter(({ remote }) => remote?.startsWith('127.0.0.1:'));
  expect(connections.map(({ protocol, state, unread }) => [protocol, state, unread])).toEqual([
    ['tcp', 'ESTABLISHED', 'and back'.length],
    ['tcp', 'ESTABLISHED', 'in a connection'.length],
  ]);
  expect(connections[0]?.local).toBe(connections[1]?.remote);
  const pids = report.processes.map(({ pid }) => pid);
  for (const { holders } of report.sockets) expect(holders.map(({ pid }) => pid)).toEqual(pids);
  expect(report.sockets).toContainEqual(
    expect.objectContaining({ protocol: 'unix', type: 'DGRAM', unread: 'in a queue'.length }),
  );
});

test('memory, mounts, namespaces and times are told', () => {
  const { memory, mounts, namespaces, times } = report;
  const kinds = memory.kinds.map(({ kind }) => kind);
  expect(kinds).toEqual(expect.arrayContaining(['anonymous', 'file', 'shared', 'sysv', 'stack']));
  // Half of the pages of a mapping of 64 were written.
  expect(memory.kinds.find(({ kind }) => kind === 'anonymous')?.saved).toBeGreaterThan(32 * 4096);
  expect(memory.shared.length).toBeGreaterThanOrEqual(2);
  expect(memory.saved).toBeGreaterThan(memory.shared.reduce((sum, { saved }) => sum + saved, 0));
  expect(mounts).toContainEqual(expect.objectContaining({ mountPoint: '/proc', type: 'proc' }));
  // runc masks some files of /proc by what it has from outside.
  expect(mounts.some(({ external }) => external === '/dev/null')).toBe(true);
  expect(namespaces).toContainEqual(
    expect.objectContaining({ kind: 'uts', isOutside: false, detail: 'runc' }),
  );
  expect(namespaces.find(({ kind }) => kind === 'user')?.isOutside).toBe(true);
  expect(times?.pagesWritten).toBeGreaterThan(40);
});

test('an archive is told as the directory is', async () => {
  const { engine, sockets, mounts, processes } = await inspect(archive);
  expect(engine).toBe('runc');
  expect(sockets).toHaveLength(report.sockets.length);
  expect(mounts.map(({ mountPoint }) => mountPoint)).toEqual(
    report.mounts.map(({ mountPoint }) => mountPoint),
  );
  expect(processes.map(({ commandLine }) => commandLine)).toEqual(
    report.processes.map(({ commandLine }) => commandLine),
  );
});

test('the memory of a process is found, and written as the process has it', async () => {
  for (const [text, kind] of [
    ['private memory, page 34', 'anonymous'],
    ['shared memory, page 34', 'shared'],
    ['in a segment', 'sysv'],
  ] as const) {
    const matches = await searchMemory(directory, 1, `${text}\0`);
    expect(matches.map((match) => match.kind)).toContain(kind);
  }
  const to = join(await shared.directory(), 'core');
  const { segments, bytes } = await dumpMemory(directory, 1, to);
  const core = readFileSync(to);
  const memory = openSync(`/proc/${pid}/mem`, 'r');
  let compared = 0;
  for (let at = 0; at < segments; at++) {
    const header = core.subarray(64 + at * 56);
    const [offset, address, size] = [8, 16, 32].map((field) => header.readBigUInt64LE(field));
    const content = core.subarray(Number(offset), Number(offset) + Number(size));
    const now = Buffer.alloc(content.length);
    readSync(memory, now, 0, now.length, address ?? 0n);
    compared += content.equals(now) ? content.length : 0;
  }
  closeSync(memory);
  // Its stack may have been used meanwhile.
  expect(compared).toBeGreaterThan(0.8 * bytes);
});

test('the command prints the tree', async () => {
  const printed = await runOk(process.execPath, [distCli, 'inspect', directory]);
  expect(printed).toMatch(/^Processes\n└─ 1 \/workload \/ready \/tmp sysv \(2 threads, /m);
});
