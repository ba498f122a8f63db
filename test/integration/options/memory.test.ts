import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { mkdir, open } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, expect } from 'vitest';
import { Criu, checkpoint, dump, preDump } from '../../helpers/api.js';
import { dumpOk } from '../../helpers/criu/attempt.js';
import { startCriu } from '../../helpers/criu/start-criu.js';
import { requireNeeds } from '../../helpers/needs.js';
import { optionTest } from '../../helpers/option-test.js';
import { criuBinary, environmentWithCriu } from '../../helpers/paths.js';
import { useScope } from '../../helpers/scope.js';
import { run, until } from '../../helpers/system/exec.js';
import { listeners, listens, useLargePipes } from '../../helpers/system/network.js';
import { freePort } from '../../helpers/system/port.js';
import { isAlive, startWorkload } from '../../helpers/system/process.js';
import { startContainer } from '../../helpers/workloads/container.js';

const scope = useScope();
beforeAll(() => requireNeeds('root', 'criu', 'libcriu', 'runc', 'gcc'));

optionTest('pageServer', 'the pages go to criu page-server and not into the images', async () => {
  const received = await scope.directory();
  const port = await freePort();
  const server = startCriu(
    scope,
    'page-server',
    '-D',
    received,
    '--address',
    '127.0.0.1',
    '--port',
    String(port),
  );
  await until('the page server listens', listens(port));
  const { pid } = await startWorkload(scope, ['memory', 8]);
  const { files } = await dumpOk(scope, pid, { pageServer: `127.0.0.1:${port}` });
  expect(await server.ended).toBe(0);
  expect(files.filter((name) => name.startsWith('pages-'))).toEqual([]);
  const pages = readdirSync(received).filter((name) => name.startsWith('pages-'));
  expect(pages).toHaveLength(1);
  expect(statSync(join(received, pages[0] ?? '')).size).toBeGreaterThan(8 * 1024 * 1024);
});

optionTest(
  ['lazyPages', 'statusFd'],
  'the pages stay until a restored process asks for them',
  async () => {
    useLargePipes(scope);
    const directory = await scope.directory();
    const [imagePath, workPath] = [join(directory, 'images'), join(directory, 'work')];
    await mkdir(workPath);
    const port = await freePort();
    const statusPath = join(directory, 'status');
    const status = await open(statusPath, 'w');
    scope.defer(() => status.close());
    const source = await startWorkload(scope, ['memory', 32]);
    const dumping = dump(source.pid, {
      imagePath,
      lazyPages: true,
      pageServer: `127.0.0.1:${port}`,
      statusFd: status.fd,
    });
    // Handled below; a failure before is told by that promise, not as unhandled.
    dumping.catch(() => {});
    await until('the status descriptor is written', () =>
      Promise.race([dumping, readFileSync(statusPath).length > 0 || undefined]).then(
        (value) => value !== undefined,
      ),
    );
    expect(readFileSync(statusPath)).toEqual(Buffer.from([0]));
    // On the address that was asked for, not on every one.
    expect(listeners(port)).toEqual(['0100007F']);
    expect(isAlive(source.pid)).toBe(true);
    const daemon = startCriu(
      scope,
      'lazy-pages',
      '--page-server',
      '--address',
      '127.0.0.1',
      '--port',
      String(port),
      '-D',
      imagePath,
      '-W',
      workPath,
      '-o',
      'lazy.log',
      '-v4',
    );
    await until('the lazy-pages daemon waits', () =>
      existsSync(join(workPath, 'lazy-pages.socket')),
    );
    // In a pid namespace of its own: the process that it was is still there.
    const restoring = spawn(
      'unshare',
      [
        '--pid',
        '--fork',
        '--kill-child',
        '--mount-proc',
        criuBinary,
        'restore',
        '--lazy-pages',
        '-D',
        imagePath,
        '-W',
        workPath,
        '-o',
        'restore.log',
        '-v4',
      ],
      { stdio: 'ignore', detached: true },
    );
    const restored = once(restoring, 'exit');
    scope.defer(async () => {
      restoring.kill('SIGKILL');
      await restored;
    });
    const result = await dumping;
    expect(await daemon.ended).toBe(0);
    await source.gone;
    expect(result.stats).toBeUndefined();
    const pages = readdirSync(imagePath).filter((name) => name.startsWith('pages-'));
    const stored = pages.reduce((sum, name) => sum + statSync(join(imagePath, name)).size, 0);
    expect(stored).toBeLessThan(8 * 1024 * 1024);
    expect(readFileSync(join(workPath, 'lazy.log'), 'utf8')).toMatch(/uffd/);
    expect(readFileSync(statusPath)).toEqual(Buffer.from([0]));
  },
);

optionTest(
  'signal',
  'ends a lazy dump that waits for a client, and the process goes on',
  async () => {
    const log = join(await scope.directory(), 'log');
    const { pid } = await startWorkload(scope, ['count', log, 5_000]);
    const imagePath = join(await scope.directory(), 'images');
    const port = await freePort();
    const controller = new AbortController();
    const options = { imagePath, lazyPages: true, pageServer: `127.0.0.1:${port}` };
    const dumping = dump(pid, { ...options, signal: controller.signal });
    // Before it is looked at: a rejection meanwhile would count as unhandled.
    const settled = expect(dumping).rejects.toMatchObject({
      name: 'AbortError',
      code: 'ABORT_ERR',
    });
    await until('the pages are served', listens(port));
    controller.abort();
    await settled;
    const { size } = statSync(log);
    await until('the process counts on', () => statSync(log).size > size);
    await expect(dump(pid, { ...options, timeoutMs: 300 })).rejects.toMatchObject({
      code: 'ERR_CRIU_TIMEOUT',
    });
    expect(listeners(port)).toEqual([]);
    const { size: later } = statSync(log);
    await until('the process counts on', () => statSync(log).size > later);
  },
);

/** What the same CRIU says of memory tracking on this kernel. */
async function tracksMemory(): Promise<boolean> {
  const { code } = await run('criu', ['check', '--feature', 'mem_dirty_track'], {
    env: environmentWithCriu(),
  });
  return code === 0;
}

// One kernel tracks memory, another does not: either has its own right answer.
optionTest(
  ['preDump', 'parentPath', 'trackMem', 'preDumpMode'],
  'work where memory is tracked, and are refused by name where it is not',
  async () => {
    const { pid } = await startWorkload(scope, ['memory', 8]);
    const directory = await scope.directory();
    const [first, second] = [join(directory, 'first'), join(directory, 'second')];
    const container = await startContainer(scope, { args: ['/workload', '-', 'idle'] });
    const criu = new Criu();
    expect((await criu.features()).memTrack).toBe(await tracksMemory());
    const calls: [word: string, call: () => Promise<unknown>][] = [
      // A parent has to be the latest save.
      [
        'trackMem',
        () =>
          dump(pid, {
            criu,
            imagePath: join(directory, 'tracked'),
            leaveRunning: true,
            trackMem: true,
          }),
      ],
      ['a pre-dump', () => preDump(pid, { criu, imagePath: first, preDumpMode: 'read' })],
      [
        'parentPath',
        () => dump(pid, { criu, imagePath: second, leaveRunning: true, parentPath: '../first' }),
      ],
      [
        'preDump',
        () =>
          checkpoint(container.id, {
            stateRoot: container.stateRoot,
            imagePath: container.path('pre'),
            preDump: true,
          }),
      ],
      [
        'parentPath',
        () =>
          checkpoint(container.id, {
            stateRoot: container.stateRoot,
            imagePath: container.path('next'),
            parentPath: '../pre',
            leaveRunning: true,
          }),
      ],
    ];
    if (await tracksMemory()) {
      for (const [, call] of calls) await call();
      expect(existsSync(join(second, 'parent'))).toBe(true);
      return;
    }
    // What is missing as an argument would be told first.
    await Promise.all([mkdir(first), mkdir(container.path('pre'))]);
    for (const [word, call] of calls) {
      await expect(call()).rejects.toMatchObject({
        code: 'ERR_CRIU_FEATURE_MISSING',
        message: expect.stringMatching(word) as string,
      });
    }
    expect(readdirSync(directory)).toEqual(['first']);
    expect(container.isRunning).toBe(true);
    expect(isAlive(pid)).toBe(true);
  },
);
