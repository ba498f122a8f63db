import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  closeSync,
  constants,
  existsSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import {
  Criu,
  CriuError,
  checkpoint,
  type DumpOptions,
  type DumpPromise,
  type DumpResult,
  dump,
  type LazyPagesOptions,
  startLazyPages,
} from '../../helpers/api.js';
import { requireNeeds } from '../../helpers/needs.js';
import { criuBinary } from '../../helpers/paths.js';
import { useScope } from '../../helpers/scope.js';
import { makeCertificates } from '../../helpers/system/certificates.js';
import { runOk, until } from '../../helpers/system/exec.js';
import {
  allListeners,
  kernelAddress,
  listeners,
  listensAt,
  useLargePipes,
} from '../../helpers/system/network.js';
import { freePort } from '../../helpers/system/port.js';
import {
  allProcesses,
  processState,
  startWorkload,
  type Workload,
} from '../../helpers/system/process.js';
import { startContainer } from '../../helpers/workloads/container.js';

const scope = useScope();
beforeAll(() =>
  requireNeeds('root', 'criu', 'libcriu', 'build', 'gcc', 'ip', 'openssl', 'runc', 'busybox'),
);

let heard: string[];
beforeEach(() => {
  useLargePipes(scope);
  heard = allListeners();
});

interface Lazy {
  workload: Workload;
  imagePath: string;
  port: number;
  dumping: DumpPromise<DumpResult>;
}

/** A lazy dump of a process with some memory, which is never left unhandled. */
async function lazyDump(options: DumpOptions = {}, mebibytes = 32): Promise<Lazy> {
  const workload = await startWorkload(scope, ['memory', mebibytes]);
  const imagePath = join(await scope.directory(), 'images');
  const port = await freePort();
  const pageServer = `127.0.0.1:${port}`;
  const controller = new AbortController();
  const { signal } = controller;
  const dumping = dump(workload.pid, {
    imagePath,
    lazyPages: true,
    pageServer,
    signal,
    ...options,
  });
  const settled = dumping.catch(() => {});
  scope.defer(() => {
    controller.abort();
    return settled;
  });
  return { workload, imagePath, port, dumping };
}

const daemonFor = async (
  { imagePath, port }: Pick<Lazy, 'imagePath' | 'port'>,
  options: Partial<LazyPagesOptions> = {},
): Promise<Awaited<ReturnType<typeof startLazyPages>>> => {
  const workPath = join(await scope.directory(), 'work');
  const daemon = await startLazyPages({
    imagePath,
    workPath,
    address: '127.0.0.1',
    port,
    ...options,
  });
  scope.defer(() => daemon.close({ force: true }));
  return daemon;
};

/** In a pid namespace of its own: the process that it was is still there. */
function restoreApart(imagePath: string, workPath: string): { child: ChildProcess; pid(): number } {
  const apart = ['--pid', '--fork', '--kill-child', '--mount-proc'];
  const place = ['-D', imagePath, '-W', workPath, '-o', 'restore.log', '-v4'];
  const child = spawn('unshare', [...apart, criuBinary, 'restore', '--lazy-pages', ...place], {
    stdio: 'ignore',
    detached: true,
  });
  const gone = once(child, 'exit');
  scope.defer(() => {
    child.kill('SIGKILL');
    return gone;
  });
  const childOf = (pid: number | undefined): number =>
    allProcesses().find(({ parent }) => parent === pid)?.pid ?? 0;
  // unshare, criu, and what it restores.
  return { child, pid: () => childOf(childOf(child.pid)) };
}

const goesOn = ({ pid }: Workload): Promise<unknown> =>
  until('the process goes on', () => /[SR]/.test(processState(pid)?.state ?? ''));

async function expectNothingLeft({ workload }: Lazy): Promise<void> {
  await goesOn(workload);
  expect(allListeners()).toEqual(heard);
}

test('statusReady resolves when pages are to be had', async () => {
  const lazy = await lazyDump();
  await lazy.dumping.statusReady;
  // The one place that was asked for, and no other.
  const hex = lazy.port.toString(16).toUpperCase().padStart(4, '0');
  expect(allListeners().filter((place) => !heard.includes(place))).toEqual([
    `${kernelAddress('127.0.0.1')}:${hex}`,
  ]);
  const daemon = await daemonFor(lazy);
  expect(await daemon.progress()).toEqual({ total: 0, served: 0, left: 0 });
  expect(existsSync(join(daemon.workPath, 'lazy-pages.socket'))).toBe(true);
  restoreApart(lazy.imagePath, daemon.workPath);
  const { total, served, logFile } = await daemon.finished;
  expect(total).toBeGreaterThan(8192);
  expect(served).toBe(total);
  expect(await daemon.progress()).toEqual({ total, served, left: 0 });
  expect(logFile).toBe(join(daemon.workPath, 'lazy-pages.log'));
  expect(existsSync(join(daemon.workPath, 'lazy-pages.socket'))).toBe(false);
  expect((await lazy.dumping).stats).toBeUndefined();
  await lazy.workload.gone;
  expect(allListeners()).toEqual(heard);
});

test('statusReady of a dump that is not lazy, and of one that fails', async () => {
  const { pid } = await startWorkload(scope, ['idle']);
  const imagePath = join(await scope.directory(), 'images');
  const dumping = dump(pid, { imagePath, leaveRunning: true });
  await dumping.statusReady;
  expect((await dumping).pid).toBe(pid);
  const failing = dump(pid, { imagePath });
  await expect(failing.statusReady).rejects.toMatchObject({ code: 'ERR_CRIU_IMAGES_DIR' });
  await expect(failing).rejects.toMatchObject({ code: 'ERR_CRIU_IMAGES_DIR' });
  await expect(dump(0).statusReady).rejects.toThrow(RangeError);
});

test('a TLS transfer, each side with its own certificate', async () => {
  // Both look for their own address in what the other shows: the dump listens at ours.
  const [ours = {}, theirs = {}] = await makeCertificates(scope, ['127.0.0.1', '127.0.0.1']);
  const lazy = await lazyDump(ours);
  await lazy.dumping.statusReady;
  const daemon = await daemonFor(lazy, theirs);
  restoreApart(lazy.imagePath, daemon.workPath);
  const { total, served } = await daemon.finished;
  expect(served).toBe(total);
  await lazy.dumping;
});

describe('an end before it is over', () => {
  test('close, dispose and signal of a daemon that no restore has reached', async () => {
    const lazy = await lazyDump();
    await lazy.dumping.statusReady;
    for (const end of ['close', 'dispose', 'signal'] as const) {
      const controller = new AbortController();
      const daemon = await daemonFor(lazy, { signal: controller.signal });
      if (end === 'close') await daemon.close();
      if (end === 'dispose') await daemon[Symbol.asyncDispose]();
      if (end === 'signal') controller.abort();
      await expect(daemon.finished).rejects.toMatchObject({ code: 'ABORT_ERR', stage: 'listen' });
      expect(readdirSync(daemon.workPath)).toEqual(['lazy-pages.log']);
      await expect(daemonFor(lazy, { signal: AbortSignal.abort() })).rejects.toMatchObject({
        name: 'AbortError',
      });
    }
    // The source was not touched: the next one is served.
    const daemon = await daemonFor(lazy);
    restoreApart(lazy.imagePath, daemon.workPath);
    await daemon.finished;
    await lazy.dumping;
  });

  test('close waits for restored tasks to have their memory', async () => {
    const lazy = await lazyDump({}, 512);
    await lazy.dumping.statusReady;
    const daemon = await daemonFor(lazy);
    restoreApart(lazy.imagePath, daemon.workPath);
    await until('the restore has begun', async () => (await daemon.progress()).total > 0);
    await daemon.close();
    const { total, served } = await daemon.finished;
    expect(served).toBe(total);
    await lazy.dumping;
  });
});

describe('what goes wrong', () => {
  test('a status fd whose reader is gone: an error, and nothing is served', async () => {
    const pipe = join(await scope.directory(), 'status');
    await runOk('mkfifo', [pipe]);
    const reader = openSync(pipe, constants.O_RDONLY | constants.O_NONBLOCK);
    const statusFd = openSync(pipe, 'w');
    scope.defer(() => closeSync(statusFd));
    closeSync(reader);
    const lazy = await lazyDump({ statusFd });
    await expect(lazy.dumping).rejects.toMatchObject({
      code: 'ERR_CRIU_FAILED',
      stage: 'status-ready',
      message: 'Cannot dump the process: cannot write to the descriptor statusFd (EPIPE)',
    });
    await expect(lazy.dumping.statusReady).rejects.toBeInstanceOf(CriuError);
    expect(existsSync(join(lazy.imagePath, 'inventory.img'))).toBe(false);
    await expectNothingLeft(lazy);
  });

  test('a port that is taken, an address that is not ours: told before anything is touched', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    scope.defer(() => server.close());
    heard = allListeners();
    const { port } = server.address() as { port: number };
    for (const [pageServer, reason] of [
      [`127.0.0.1:${port}`, 'EADDRINUSE'],
      ['192.0.2.1:27', 'EADDRNOTAVAIL'],
    ] as const) {
      const lazy = await lazyDump({ pageServer });
      await expect(lazy.dumping).rejects.toMatchObject({
        code: 'ERR_CRIU_ADDRESS',
        message: expect.stringContaining(reason) as string,
      });
      expect(existsSync(lazy.imagePath)).toBe(false);
      await expectNothingLeft(lazy);
    }
  });

  test('a configuration file cannot move the address', async () => {
    const configFile = join(await scope.directory(), 'criu.conf');
    writeFileSync(configFile, 'address 0.0.0.0\n');
    const lazy = await lazyDump({ configFile });
    await lazy.dumping.statusReady;
    expect(listeners(lazy.port)).toEqual([kernelAddress('127.0.0.1')]);
  });

  test('lazy pages without an address, or with a name: an error at once', async () => {
    const { pid } = await startWorkload(scope, ['idle']);
    for (const options of [{}, { pageServer: 'localhost:27' }]) {
      await expect(dump(pid, { lazyPages: true, ...options })).rejects.toMatchObject({
        code: 'ERR_INVALID_ARG_VALUE',
        message: expect.stringContaining('pageServer') as string,
      });
    }
  });

  test('lazy pages through a criu service: it would listen on every address', async () => {
    const directory = await scope.directory();
    const service = join(directory, 'service.socket');
    const child = spawn(criuBinary, ['service', '--address', service, '-W', directory], {
      stdio: 'ignore',
    });
    const ended = once(child, 'exit');
    scope.defer(() => {
      child.kill('SIGKILL');
      return ended;
    });
    await until('the service listens', () => listensAt(service));
    const { pid } = await startWorkload(scope, ['idle']);
    const imagePath = join(directory, 'images');
    await expect(
      dump(pid, {
        criu: new Criu({ service }),
        imagePath,
        lazyPages: true,
        pageServer: '127.0.0.1:27',
      }),
    ).rejects.toMatchObject({ code: 'ERR_INVALID_ARG_VALUE' });
    expect(existsSync(imagePath)).toBe(false);
  });

  test('a daemon without images, or without a source', async () => {
    const empty = await scope.directory();
    await expect(
      startLazyPages({ imagePath: empty, address: '127.0.0.1', port: 27 }),
    ).rejects.toMatchObject({
      code: 'ERR_CRIU_IMAGES_DIR',
      message: `There are no images in imagePath ${empty}`,
    });
    expect(readdirSync(empty)).toEqual([]);
    // The images of a dump that is served no more.
    const lazy = await lazyDump();
    await lazy.dumping.statusReady;
    const images = await scope.directory();
    await runOk('cp', ['-r', `${lazy.imagePath}/.`, images]);
    const daemon = await daemonFor({ imagePath: images, port: await freePort() });
    const { child } = restoreApart(images, daemon.workPath);
    const restored = once(child, 'exit');
    await expect(daemon.finished).rejects.toMatchObject({
      code: 'ERR_CRIU_FAILED',
      message: expect.stringMatching(/Can't connect to server 127\.0\.0\.1/) as string,
    });
    child.kill('SIGKILL');
    await restored;
  });

  test('a certificate for another name', async () => {
    const [ours = {}, wrong = {}] = await makeCertificates(scope, ['127.0.0.1', '127.0.0.9']);
    const lazy = await lazyDump(ours);
    await lazy.dumping.statusReady;
    const daemon = await daemonFor(lazy, wrong);
    restoreApart(lazy.imagePath, daemon.workPath);
    await expect(lazy.dumping).rejects.toMatchObject({
      message: expect.stringContaining('name in the certificate does not match') as string,
    });
    await expect(daemon.finished).rejects.toBeInstanceOf(CriuError);
    await expectNothingLeft(lazy);
  });

  test('certificates that cannot be used are told before anything is touched', async () => {
    const [one, other] = await makeCertificates(scope, ['127.0.0.1', '127.0.0.1']);
    if (!one || !other) throw new Error('no certificates');
    for (const [options, name] of [
      [{ ...one, tlsKey: other.tlsKey }, 'tlsKey'],
      [{ ...one, tlsCert: one.tlsKey }, 'tlsCert'],
      [{ ...one, tlsCacert: join(one.tlsCacert, 'none') }, 'tlsCacert'],
    ] as const) {
      const lazy = await lazyDump(options);
      await expect(lazy.dumping).rejects.toMatchObject({
        code: 'ERR_INVALID_ARG_VALUE',
        message: expect.stringContaining(` for ${name} `) as string,
      });
      expect(existsSync(lazy.imagePath)).toBe(false);
    }
  });

  test('a client that asks for nothing, and one that is none', async () => {
    const lazy = await lazyDump();
    await lazy.dumping.statusReady;
    const open = async (): Promise<Socket> => {
      const socket = connect(lazy.port, '127.0.0.1');
      await once(socket, 'connect');
      return socket;
    };
    // A port scan does nothing to it.
    for (let i = 0; i < 20; i++) (await open()).destroy();
    const lingering = await open();
    scope.defer(() => lingering.destroy());
    expect(processState(lazy.workload.pid)?.state).toMatch(/[tT]/);
    (await open()).end('GET / HTTP/1.1\r\n\r\n');
    await expect(lazy.dumping).rejects.toMatchObject({ code: 'ERR_CRIU_FAILED' });
    await expectNothingLeft(lazy);
  });

  test.each(['nftables', 'iptables'] as const)(
    'a container whose network is locked by %s: not any more afterwards',
    async (networkLock) => {
      const container = await startContainer(scope);
      const inside = ['-n', '-t', String(container.pid)];
      const rules = async (): Promise<string> =>
        [
          await runOk('nsenter', [...inside, 'nft', 'list', 'tables']),
          await runOk('nsenter', [...inside, 'iptables-save']),
          await runOk('nsenter', [...inside, 'ip6tables-save']),
        ]
          .join('')
          .replace(/^#.*\n/gm, '');
      const controller = new AbortController();
      const dumping = checkpoint(container.id, {
        stateRoot: container.stateRoot,
        imagePath: container.path('images'),
        lazyPages: true,
        pageServer: `127.0.0.1:${await freePort()}`,
        networkLock,
        signal: controller.signal,
      });
      await dumping.statusReady;
      expect(await rules()).toMatch(/CRIU/);
      controller.abort();
      await expect(dumping).rejects.toMatchObject({ code: 'ABORT_ERR' });
      expect(await rules()).not.toMatch(/CRIU/);
      await container.countsOn();
    },
  );

  test('a process with a locked connection: it is free afterwards', async () => {
    const tables = (): Promise<string> => runOk('nft', ['list', 'ruleset']);
    const before = await tables();
    const { pid } = await startWorkload(scope, ['tcp']);
    const controller = new AbortController();
    const dumping = dump(pid, {
      imagePath: join(await scope.directory(), 'images'),
      lazyPages: true,
      pageServer: `127.0.0.1:${await freePort()}`,
      tcpEstablished: true,
      networkLock: 'nftables',
      signal: controller.signal,
    });
    await dumping.statusReady;
    expect(await tables()).toMatch(/CRIU/);
    controller.abort();
    await expect(dumping).rejects.toMatchObject({ code: 'ABORT_ERR' });
    expect(await tables()).toBe(before);
  });

  test('the daemon is killed in the middle of a transfer', async () => {
    const lazy = await lazyDump({}, 512);
    await lazy.dumping.statusReady;
    const daemon = await daemonFor(lazy);
    restoreApart(lazy.imagePath, daemon.workPath);
    await until('pages have come', async () => (await daemon.progress()).served > 0);
    await daemon.close({ force: true });
    await expect(daemon.finished).rejects.toMatchObject({ code: 'ABORT_ERR' });
    // CRIU by itself takes the end of a connection for the end of the transfer.
    await expect(lazy.dumping).rejects.toMatchObject({
      code: 'ERR_CRIU_FAILED',
      message: expect.stringContaining('Connection reset by peer') as string,
    });
    await expectNothingLeft(lazy);
  });
});

test('the log has no more than the asked detail', async () => {
  const lazy = await lazyDump();
  await lazy.dumping.statusReady;
  const daemon = await daemonFor(lazy, { logLevel: 1, logFile: 'daemon.log' });
  restoreApart(lazy.imagePath, daemon.workPath);
  await daemon.finished;
  expect(statSync(join(daemon.workPath, 'daemon.log')).size).toBeLessThan(200);
  expect(readFileSync(daemon.logFile, 'utf8')).not.toContain('uffd_copy');
});
