import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { requireNeeds } from '../../helpers/needs.js';
import { distCli } from '../../helpers/paths.js';
import { startCommand } from '../../helpers/running-command.js';
import { useScope } from '../../helpers/scope.js';
import { runOk, until } from '../../helpers/system/exec.js';
import {
  allListeners,
  listens,
  noNewListener,
  useLargePipes,
} from '../../helpers/system/network.js';
import { freePort } from '../../helpers/system/port.js';
import {
  allProcesses,
  goesOn,
  isAlive,
  startWorkload,
  type Workload,
} from '../../helpers/system/process.js';

const scope = useScope();
beforeAll(() => requireNeeds('root', 'criu', 'libcriu', 'build', 'gcc'));

let heard: string[];
beforeEach(() => {
  heard = allListeners();
});

const here = ['--address', '127.0.0.1'];
const libcriu = (...args: string[]): Promise<string> => runOk(process.execPath, [distCli, ...args]);
const withMemory = (): Promise<Workload> => startWorkload(scope, ['memory', 16]);
const place = async (): Promise<string> => join(await scope.directory(), 'images');

/** The processes of criu that serve. */
const servers = (): string[] =>
  allProcesses().flatMap(({ name }) => (/^criu(?!_guard)/.test(name) ? name : []));

describe('libcriu page-server', () => {
  test('receives what libcriu dump sends, and restore brings it back', async () => {
    const [received, images] = [await place(), await place()];
    const server = startCommand(scope, 'page-server', ...here, '--image-path', received);
    const line = await server.firstLine();
    expect(line).toMatch(/^127\.0\.0\.1:\d+\n$/);
    const { pid } = await withMemory();
    expect(
      await libcriu('dump', '--page-server', line.trim(), '--image-path', images, String(pid)),
    ).toBe('');
    // Where no terminal is, it tells nothing but where it listened.
    expect(await server.ended).toEqual({ code: 0, stdout: line, stderr: '' });
    await noNewListener(heard);
    await runOk('cp', ['-rT', images, received]);
    const restored = Number(await libcriu('restore', received));
    scope.defer(() => process.kill(restored, 'SIGKILL'));
    await goesOn({ pid: restored });
  });

  test('prints with --json what it listens at and what has come, an object a line', async () => {
    const received = await place();
    const args = ['--json', '--image-path', received];
    const server = startCommand(scope, 'page-server', ...here, ...args);
    const ready = JSON.parse(await server.firstLine()) as { address: string; port: number };
    expect(ready).toEqual({ address: '127.0.0.1', port: expect.any(Number) as number });
    const { pid } = await withMemory();
    const to = ['--page-server', `127.0.0.1:${ready.port}`, '--image-path', await place()];
    await libcriu('dump', ...to, String(pid));
    const { code, stdout } = await server.ended;
    expect(code).toBe(0);
    const [, last = '', ...more] = stdout.trimEnd().split('\n');
    expect(more).toEqual([]);
    const result = JSON.parse(last) as { bytes: number };
    expect(result).toMatchObject({ imagePath: received, peer: '127.0.0.1', warnings: [] });
    expect(result.bytes).toBeGreaterThan(16 * 2 ** 20);
  });

  test.each(['SIGINT', 'SIGTERM'] as const)('leaves nothing behind at %s', async (signal) => {
    const before = servers();
    const received = await place();
    const server = startCommand(scope, 'page-server', ...here, '--image-path', received);
    await server.firstLine();
    expect(existsSync(received)).toBe(true);
    server.child.kill(signal);
    const { code, stderr } = await server.ended;
    expect(code).toBe(1);
    expect(stderr).toMatch(new RegExp(`msg="The page server was ended at ${signal}, [^\\n]*\\n$`));
    expect(existsSync(received) ? readdirSync(received) : []).toEqual([]);
    await noNewListener(heard);
    expect(servers()).toEqual(before);
  });

  test('tells of an address that is not here, and needs one', async () => {
    const args = ['--image-path', await place()];
    const away = startCommand(scope, 'page-server', '--address', '192.0.2.1', ...args);
    const { code, stdout, stderr } = await away.ended;
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toContain('192.0.2.1');
    const none = await startCommand(scope, 'page-server', ...args).ended;
    expect(none.code).toBe(1);
    expect(none.stderr).toContain('Expected --address ADDRESS for page-server');
  });
});

describe('libcriu lazy-pages', () => {
  beforeEach(() => useLargePipes(scope));

  /** A lazy dump whose pages can be fetched. */
  async function lazyDump(): Promise<{ images: string; port: number; dump: LazyDump }> {
    const { pid } = await withMemory();
    const images = await place();
    const port = await freePort();
    const at = ['--lazy-pages', '--page-server', `127.0.0.1:${port}`];
    const dump = startCommand(scope, 'dump', ...at, '--image-path', images, String(pid));
    await until('the pages can be fetched', listens(port));
    return { images, port, dump };
  }
  type LazyDump = ReturnType<typeof startCommand>;

  test('brings what libcriu restore --lazy-pages restores its memory', async () => {
    const { images, port, dump } = await lazyDump();
    const at = [...here, '--port', String(port), '--image-path', images];
    const work = await scope.directory();
    const lazy = startCommand(scope, 'lazy-pages', '--json', ...at, '--work-path', work);
    const ready: unknown = JSON.parse(await lazy.firstLine());
    const logFile = join(work, 'lazy-pages.log');
    expect(ready).toEqual({ address: '127.0.0.1', port, workPath: work, logFile });
    // The process that was dumped still has its pid, so that the other one is in another namespace.
    const apart = ['--pid', '--fork', '--kill-child', '--mount-proc', 'sh', '-c'];
    const script = '"$@" && sleep 600';
    const restore = ['restore', '--lazy-pages', '--work-path', work, images];
    const restored = spawn(
      'unshare',
      [...apart, script, 'sh', process.execPath, distCli, ...restore],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    scope.defer(async () => {
      restored.kill('SIGKILL');
      await once(restored, 'exit');
    });
    const { code, stdout, stderr } = await lazy.ended;
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const result = JSON.parse(stdout.trimEnd().split('\n')[1] ?? '') as {
      total: number;
      served: number;
    };
    expect(result.served).toBe(result.total);
    expect(result.total).toBeGreaterThan((16 * 2 ** 20) / 4096);
    expect(await dump.ended).toEqual({ code: 0, stdout: '', stderr: '' });
    await noNewListener(heard);
  });

  test('leaves nothing behind at SIGTERM while nothing depends on it', async () => {
    const { images, port, dump } = await lazyDump();
    const at = [...here, '--port', String(port), '--image-path', images];
    const lazy = startCommand(scope, 'lazy-pages', ...at);
    expect(await lazy.firstLine()).toBe(`${images}\n`);
    expect(existsSync(join(images, 'lazy-pages.socket'))).toBe(true);
    lazy.child.kill('SIGTERM');
    const { code, stderr } = await lazy.ended;
    expect(code).toBe(1);
    expect(stderr).toMatch(/msg="The lazy-pages daemon was ended at SIGTERM"\n$/);
    expect(existsSync(join(images, 'lazy-pages.socket'))).toBe(false);
    // The dump has lost the one that it served.
    dump.child.kill('SIGTERM');
    expect((await dump.ended).code).toBe(1);
    await noNewListener(heard);
  });
});

test('the process goes on when its dump is given up at a signal', async () => {
  const { pid } = await withMemory();
  useLargePipes(scope);
  const port = await freePort();
  const at = ['--lazy-pages', '--page-server', `127.0.0.1:${port}`];
  const dump = startCommand(scope, 'dump', ...at, '--image-path', await place(), String(pid));
  await until('it waits for somebody to fetch the pages', listens(port));
  dump.child.kill('SIGINT');
  const { code, stderr } = await dump.ended;
  expect(code).toBe(1);
  expect(stderr).toContain(
    `The dump of process ${pid} was given up at SIGINT; the processes go on`,
  );
  expect(isAlive(pid)).toBe(true);
  await goesOn({ pid });
});
