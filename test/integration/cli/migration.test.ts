import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { Criu } from '../../helpers/api.js';
import { startCriu } from '../../helpers/criu/start-criu.js';
import { requireNeeds } from '../../helpers/needs.js';
import { distCli } from '../../helpers/paths.js';
import { useScope } from '../../helpers/scope.js';
import { run, runOk, until } from '../../helpers/system/exec.js';
import {
  allListeners,
  listens,
  noNewListener,
  useLargePipes,
} from '../../helpers/system/network.js';
import { freePort } from '../../helpers/system/port.js';
import { Container, startContainer } from '../../helpers/workloads/container.js';

const scope = useScope();
beforeAll(() => requireNeeds('root', 'criu', 'libcriu', 'build', 'runc', 'busybox', 'gcc'));

/** `libcriu checkpoint` as a user runs it. */
const commandOf = ({ stateRoot, id }: Container, ...flags: string[]): string[] => [
  distCli,
  ...['--root', stateRoot, 'checkpoint', ...flags, id],
];

const checkpoint = (container: Container, ...flags: string[]): ReturnType<typeof run> =>
  run(process.execPath, commandOf(container, ...flags));

const sizeOf = (directory: string): number =>
  readdirSync(directory).filter((name) => name.startsWith('pages-')).length;

const memory = ['/workload', '/ready', 'memory', '32'];
const withMemory = (): Promise<Container> => startContainer(scope, { args: memory });

test('--page-server sends the pages to `criu page-server`', async () => {
  const container = await startContainer(scope);
  const received = await scope.directory();
  const port = await freePort();
  const at = ['--address', '127.0.0.1', '--port', String(port)];
  const server = startCriu(scope, 'page-server', '-D', received, ...at);
  await until('it listens', listens(port));
  const images = container.path('images');
  const { code, stdout, stderr } = await checkpoint(
    container,
    ...['--image-path', images, '--page-server', `127.0.0.1:${port}`],
  );
  expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: '', stderr: '' });
  expect(await server.ended).toBe(0);
  expect([sizeOf(images), sizeOf(received) > 0]).toEqual([0, true]);
  expect(await container.status()).toBeUndefined();
  // Together they are what runc restores.
  await runOk('cp', ['-r', `${received}/.`, images]);
  await container.restore(images);
  await container.countsOn();
});

test('--page-server with nobody there prints one line and ends with status 1, as runc does', async () => {
  const container = await startContainer(scope);
  const port = await freePort();
  const flags = ['--image-path', container.path('images'), '--page-server', `127.0.0.1:${port}`];
  const ours = await checkpoint(container, ...flags);
  expect(ours).toMatchObject({ code: 1, stdout: '' });
  expect(ours.stderr).toMatch(new RegExp(`^[^\\n]*Can't connect to server 127.0.0.1:${port}"\\n$`));
  const runcs = await container.runc('checkpoint', ...flags, container.id);
  expect(runcs.code).toBe(1);
  await container.countsOn();
});

test('--lazy-pages, --page-server and --status-fd work with `criu lazy-pages` and `runc restore`', async () => {
  useLargePipes(scope);
  const container = await withMemory();
  const heard = allListeners();
  const [images, work] = [container.path('images'), container.path('lazy-work')];
  await mkdir(work);
  const port = await freePort();
  const flags = ['--image-path', images, '--lazy-pages', '--status-fd', '3'];
  const command = commandOf(container, ...flags, '--page-server', `127.0.0.1:${port}`);
  const dumping = spawn(process.execPath, command, { stdio: ['ignore', 'pipe', 'pipe', 'pipe'] });
  const dumped = once(dumping, 'exit');
  scope.defer(async () => {
    if (dumping.exitCode === null) dumping.kill('SIGKILL');
    await dumped;
  });
  // One byte, and the end, while the command goes on.
  const status: Buffer[] = [];
  let printed = '';
  dumping.stderr?.on('data', (data: Buffer) => {
    printed += data.toString();
  });
  for await (const chunk of dumping.stdio[3] as AsyncIterable<Buffer>) {
    status.push(chunk);
    expect(listens(port)()).toBe(true);
    break;
  }
  expect(Buffer.concat(status)).toEqual(Buffer.from([0]));
  expect(dumping.exitCode).toBeNull();
  const from = ['--page-server', '--address', '127.0.0.1', '--port', String(port)];
  const place = ['-D', images, '-W', work, '-o', 'lazy.log'];
  const daemon = startCriu(scope, 'lazy-pages', ...from, ...place);
  await until('the daemon waits', () => existsSync(join(work, 'lazy-pages.socket')));
  // The old one is there until its last page has gone, so the new one has another name.
  const moved = new Container(`${container.id}-moved`, container.directory);
  scope.defer(() => moved.remove());
  const restore = ['restore', '-d', '--lazy-pages', '--image-path', images, '--work-path', work];
  await moved.runcOk(...restore, '-b', container.bundle, moved.id);
  expect(await daemon.ended).toBe(0);
  expect(await dumped).toEqual([0, null]);
  expect(printed).toBe('');
  expect(await moved.status()).toBe('running');
  expect(await container.status()).toBeUndefined();
  await noNewListener(heard);
});

describe('the command refuses before it touches anything', () => {
  test.each([
    [['--lazy-pages'], /--lazy-pages needs --page-server/],
    [['--status-fd', '1'], /--status-fd 1 needs --lazy-pages/],
    [['--tls', '--tls-cert', '/none', '--page-server', '127.0.0.1:27'], /--tls-cert.*\/none/],
    [['--tls'], /--tls needs --page-server/],
    [['--tls-key', '/none', '--page-server', '127.0.0.1:27'], /--tls-key needs --tls/],
  ])('%j', async (flags, says) => {
    const container = await startContainer(scope);
    const images = container.path('images');
    const { code, stderr } = await checkpoint(container, '--image-path', images, ...flags);
    expect(code).toBe(1);
    expect(stderr).toMatch(says);
    expect(stderr.trim().split('\n')).toHaveLength(1);
    expect(existsSync(images)).toBe(false);
    await container.countsOn();
  });
});

test('--auto-dedup without a parent changes nothing, as with runc', async () => {
  const container = await startContainer(scope);
  const images = container.path('images');
  const { code, stderr } = await checkpoint(container, '--auto-dedup', '--image-path', images);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  await container.restore(images);
  await container.countsOn();
});

// One kernel tracks memory, another does not: either has its own right answer, which is runc's too.
test('--pre-dump, --parent-path and --auto-dedup make a chain, or are refused by name without memory tracking', async () => {
  const container = await startContainer(scope);
  const [first, second] = [container.path('first'), container.path('second')];
  const pre = ['--pre-dump', '--image-path', first];
  const next = ['--parent-path', '../first', '--auto-dedup', '--image-path', second];
  if ((await new Criu().features()).memTrack) {
    expect((await checkpoint(container, ...pre)).code).toBe(0);
    await container.countsOn();
    expect((await checkpoint(container, ...next)).code).toBe(0);
    await container.restore(second);
    await container.countsOn();
    return;
  }
  const ours = await checkpoint(container, ...pre);
  expect(ours.code).toBe(1);
  expect(ours.stderr).toMatch(/memory tracking, which --pre-dump needs"\n$/);
  expect(existsSync(first)).toBe(false);
  await mkdir(first);
  const later = await checkpoint(container, ...next);
  expect(later.code).toBe(1);
  expect(later.stderr).toMatch(/memory tracking, which --parent-path needs"\n$/);
  const runcs = await container.runc('checkpoint', ...pre, container.id);
  expect(runcs.code).toBe(1);
  await container.countsOn();
});
