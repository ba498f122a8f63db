import { once } from 'node:events';
import { closeSync, constants, existsSync, openSync, readdirSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { Criu, CriuError, checkpoint, dump, startLazyPages } from '../../helpers/api.js';
import { daemonFor, type Lazy, lazyDump, restoreApart } from '../../helpers/criu/lazy-dump.js';
import { startService } from '../../helpers/criu/start-criu.js';
import { requireNeeds } from '../../helpers/needs.js';
import { useScope } from '../../helpers/scope.js';
import { makeCertificates } from '../../helpers/system/certificates.js';
import { runOk, until } from '../../helpers/system/exec.js';
import { allListeners, noNewListener, useLargePipes } from '../../helpers/system/network.js';
import { inSomeRound } from '../../helpers/system/patience.js';
import { freePort } from '../../helpers/system/port.js';
import { goesOn, processState, startWorkload } from '../../helpers/system/process.js';
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

async function expectNothingLeft({ workload }: Lazy): Promise<void> {
  await goesOn(workload);
  await noNewListener(heard);
}

describe('lazy pages', () => {
  test('are not served when the reader of the status fd is gone', async () => {
    const pipe = join(await scope.directory(), 'status');
    await runOk('mkfifo', [pipe]);
    const reader = openSync(pipe, constants.O_RDONLY | constants.O_NONBLOCK);
    const statusFd = openSync(pipe, 'w');
    scope.defer(() => closeSync(statusFd));
    closeSync(reader);
    const lazy = await lazyDump(scope, { statusFd });
    await expect(lazy.dumping).rejects.toMatchObject({
      code: 'ERR_CRIU_FAILED',
      stage: 'statusReady',
      message: 'Cannot dump the process: cannot write to the descriptor statusFd (EPIPE)',
    });
    await expect(lazy.dumping.statusReady).rejects.toBeInstanceOf(CriuError);
    expect(existsSync(join(lazy.imagePath, 'inventory.img'))).toBe(false);
    await expectNothingLeft(lazy);
  });

  test('are refused on a port that is taken and an address that is not ours before anything is touched', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    scope.defer(() => server.close());
    heard = allListeners();
    const { port } = server.address() as { port: number };
    for (const [pageServer, reason] of [
      [`127.0.0.1:${port}`, 'EADDRINUSE'],
      ['192.0.2.1:27', 'EADDRNOTAVAIL'],
    ] as const) {
      const lazy = await lazyDump(scope, { pageServer });
      await expect(lazy.dumping).rejects.toMatchObject({
        code: 'ERR_CRIU_ADDRESS',
        message: expect.stringContaining(reason) as string,
      });
      expect(existsSync(lazy.imagePath)).toBe(false);
      await expectNothingLeft(lazy);
    }
  });

  test('are refused with a configuration file that gives them another address', async () => {
    const configFile = join(await scope.directory(), 'criu.conf');
    writeFileSync(configFile, 'address 0.0.0.0\n');
    const { dumping } = await lazyDump(scope, { configFile });
    await expect(dumping).rejects.toMatchObject({
      code: 'ERR_CRIU_CONFIG',
      message: expect.stringContaining(configFile) as string,
    });
  });

  test('are refused without an address, or with a host name for it', async () => {
    const { pid } = await startWorkload(scope, ['idle']);
    for (const options of [{}, { pageServer: 'localhost:27' }]) {
      await expect(dump(pid, { lazyPages: true, ...options })).rejects.toMatchObject({
        code: 'ERR_INVALID_ARG_VALUE',
        message: expect.stringContaining('pageServer') as string,
      });
    }
  });

  test('are refused through a criu service, which would listen on every address', async () => {
    const { service, directory } = await startService(scope);
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

  test('have no daemon without images, and one that fails without a source', async () => {
    const empty = await scope.directory();
    await expect(
      startLazyPages({ imagePath: empty, address: '127.0.0.1', port: 27 }),
    ).rejects.toMatchObject({
      code: 'ERR_CRIU_IMAGES_DIR',
      message: expect.stringContaining(`imagePath ${empty} holds no complete images`) as string,
    });
    expect(readdirSync(empty)).toEqual([]);
    // The images of a dump that is served no more.
    const lazy = await lazyDump(scope);
    await lazy.dumping.statusReady;
    const images = await scope.directory();
    await runOk('cp', ['-r', `${lazy.imagePath}/.`, images]);
    const daemon = await daemonFor(scope, { imagePath: images, port: await freePort() });
    const { child } = restoreApart(scope, images, daemon.workPath);
    const restored = once(child, 'exit');
    await expect(daemon.finished).rejects.toMatchObject({
      code: 'ERR_CRIU_FAILED',
      message: expect.stringMatching(/Can't connect to server 127\.0\.0\.1/) as string,
    });
    child.kill('SIGKILL');
    await restored;
  });

  test('are not served to a certificate for another name', async () => {
    const [ours = {}, wrong = {}] = await makeCertificates(scope, ['127.0.0.1', '127.0.0.9']);
    const lazy = await lazyDump(scope, ours);
    await lazy.dumping.statusReady;
    const daemon = await daemonFor(scope, lazy, wrong);
    restoreApart(scope, lazy.imagePath, daemon.workPath);
    await expect(lazy.dumping).rejects.toMatchObject({
      message: expect.stringContaining('name in the certificate does not match') as string,
    });
    await expect(daemon.finished).rejects.toBeInstanceOf(CriuError);
    await expectNothingLeft(lazy);
  });

  test('are refused with certificates that cannot be used before anything is touched', async () => {
    const [one, other] = await makeCertificates(scope, ['127.0.0.1', '127.0.0.1']);
    if (!one || !other) throw new Error('no certificates');
    for (const [options, name] of [
      [{ ...one, tlsKey: other.tlsKey }, 'tlsKey'],
      [{ ...one, tlsCert: one.tlsKey }, 'tlsCert'],
      [{ ...one, tlsCacert: join(one.tlsCacert, 'none') }, 'tlsCacert'],
    ] as const) {
      const lazy = await lazyDump(scope, options);
      await expect(lazy.dumping).rejects.toMatchObject({
        code: 'ERR_INVALID_ARG_VALUE',
        message: expect.stringContaining(` for ${name} `) as string,
      });
      expect(existsSync(lazy.imagePath)).toBe(false);
    }
  });

  test('wait for a client that asks for something, and end with one that is none', async () => {
    const lazy = await lazyDump(scope);
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
    'leave the network of a container unlocked that was locked by %s',
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

  test('leave a connection of a process unlocked', async () => {
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

  test('end the dump when the daemon is killed in the middle of a transfer', async () => {
    // On a machine that stands still meanwhile, the transfer has come to its end.
    await inSomeRound('the daemon is killed in time', async () => {
      const lazy = await lazyDump(scope, {}, 512);
      await lazy.dumping.statusReady;
      const daemon = await daemonFor(scope, lazy);
      restoreApart(scope, lazy.imagePath, daemon.workPath);
      await until('pages have come', async () => (await daemon.progress()).served > 0);
      await daemon.close({ force: true });
      const ended = await daemon.finished.catch((error: unknown) => error);
      if (!(ended instanceof Error)) return false;
      expect(ended).toMatchObject({ code: 'ABORT_ERR' });
      // CRIU by itself takes the end of a connection for the end of the transfer.
      await expect(lazy.dumping).rejects.toMatchObject({
        code: 'ERR_CRIU_FAILED',
        message: expect.stringContaining('Connection reset by peer') as string,
      });
      await expectNothingLeft(lazy);
      return true;
    });
  });
});
