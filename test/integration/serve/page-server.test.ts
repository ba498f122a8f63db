import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import {
  Criu,
  CriuError,
  dump,
  type PageServerOptions,
  startPageServer,
} from '../../helpers/api.js';
import { type Host, startHost } from '../../helpers/criu/host.js';
import { startService } from '../../helpers/criu/start-criu.js';
import { requireNeeds } from '../../helpers/needs.js';
import { optionTest } from '../../helpers/option-test.js';
import { criuBinary } from '../../helpers/paths.js';
import { useScope } from '../../helpers/scope.js';
import { makeCertificates } from '../../helpers/system/certificates.js';
import { run, runOk, until } from '../../helpers/system/exec.js';
import {
  assertNoLeak,
  type Holdings,
  hasSpare,
  settledHoldings,
} from '../../helpers/system/leaks.js';
import { allListeners, listeners, noNewListener } from '../../helpers/system/network.js';
import { patientMs } from '../../helpers/system/patience.js';
import { freePort } from '../../helpers/system/port.js';
import { goesOn, isAlive, startWorkload, type Workload } from '../../helpers/system/process.js';

const scope = useScope();
beforeAll(() => requireNeeds('root', 'criu', 'libcriu', 'build', 'gcc', 'ip', 'openssl'));

let held: Holdings;
let heard: string[];
beforeEach(async () => {
  // The spare criu and the guard, which are kept, come with the first use.
  const { pid } = await startWorkload(scope, ['idle']);
  await dump(pid, { imagePath: join(await scope.directory(), 'first'), leaveRunning: true });
  // A page server has nothing to do with cgroups.
  held = { ...(await settledHoldings([], isSpareThere)), cgroups: undefined };
  heard = allListeners();
});

/** The criu of the first dump has ended, and the next one waits. */
function isSpareThere(holdings: Holdings): boolean {
  return hasSpare(holdings) && holdings.processes.get('criu_guard') === 1;
}

/** Nothing is left of a page server, and the source lives. */
async function expectNothingLeft(workload: Workload): Promise<void> {
  await noNewListener(heard);
  await assertNoLeak(held, [workload.pid]);
  await goesOn(workload);
}

const memoryWorkload = (mebibytes = 16): Promise<Workload> =>
  startWorkload(scope, ['memory', mebibytes]);

const pagesIn = (directory: string): string[] =>
  readdirSync(directory).filter((name) => name.startsWith('pages-'));

async function serverFor(
  options: Partial<PageServerOptions> = {},
): Promise<{ imagePath: string; server: Awaited<ReturnType<typeof startPageServer>> }> {
  const imagePath = join(await scope.directory(), 'received');
  const server = await startPageServer({ imagePath, address: '127.0.0.1', ...options });
  scope.defer(() => server.close());
  return { imagePath, server };
}

/** A dump to a page server into a directory of its own. */
async function send(
  { pid }: Workload,
  port: number,
  options: Parameters<typeof dump>[1] = {},
): Promise<string> {
  const imagePath = join(await scope.directory(), 'images');
  const pageServer = { address: '127.0.0.1', port };
  await dump(pid, { imagePath, leaveRunning: true, pageServer, ...options });
  return imagePath;
}

optionTest(['address', 'port'], 'it listens there alone, receives once, and is gone', async () => {
  const workload = await memoryWorkload();
  const { imagePath, server } = await serverFor();
  expect(server.address).toBe('127.0.0.1');
  // Nothing but this one.
  expect(allListeners().filter((place) => !heard.includes(place))).toEqual([
    `0100007F:${server.port.toString(16).toUpperCase().padStart(4, '0')}`,
  ]);
  const images = await send(workload, server.port);
  const { bytes, ...result } = await server.finished;
  expect(result).toEqual({
    imagePath,
    logFile: join(imagePath, 'page-server.log'),
    peer: '127.0.0.1',
    warnings: [],
    transferMs: expect.any(Number) as number,
    durationMs: expect.any(Number) as number,
  });
  expect(result.durationMs).toBeGreaterThan(result.transferMs);
  expect(bytes).toBeGreaterThan(16 * 1024 * 1024);
  expect(pagesIn(images)).toEqual([]);
  const [pages = ''] = pagesIn(imagePath);
  expect(statSync(join(imagePath, pages)).size).toBe(bytes);
  await expectNothingLeft(workload);
  // With the pages in their place the images are those of an ordinary dump.
  await runOk('cp', ['-r', `${imagePath}/.`, images]);
  await workload.kill();
  const restored = await run(criuBinary, ['restore', '-D', images, '-d', '-o', 'restore.log']);
  scope.defer(() => process.kill(workload.pid, 'SIGKILL'));
  expect(restored.code).toBe(0);
  expect(isAlive(workload.pid)).toBe(true);

  const asked = await freePort('::1');
  const other = await serverFor({ address: '::1', port: asked });
  expect(other.server).toMatchObject({ address: '::1', port: asked });
  expect(listeners(asked)).toEqual(['00000000000000000000000001000000']);
});

test('a page server closes connections that say nothing', async () => {
  const workload = await memoryWorkload();
  const { server } = await serverFor();
  const open = async (): Promise<ReturnType<typeof connect>> => {
    const socket = connect(server.port, '127.0.0.1');
    await once(socket, 'connect');
    return socket;
  };
  // A port scan, and one that lingers.
  for (let i = 0; i < 20; i++) (await open()).destroy();
  const lingering = await open();
  const closed = once(lingering, 'close');
  await send(workload, server.port);
  expect((await server.finished).bytes).toBeGreaterThan(16 * 1024 * 1024);
  await closed;
  await expectNothingLeft(workload);
});

test('a page server receives from `criu dump --page-server`', async () => {
  const { pid } = await memoryWorkload();
  const { server } = await serverFor();
  const images = await scope.directory();
  const to = ['--page-server', '--address', '127.0.0.1', '--port', String(server.port)];
  await runOk(criuBinary, ['dump', '-t', String(pid), '-D', images, '-R', '-o', 'dump.log', ...to]);
  expect((await server.finished).bytes).toBeGreaterThan(16 * 1024 * 1024);
});

interface Transfer {
  host: Host;
  /** That receives. */
  criu: number;
  imagePath: string;
  sent: Promise<unknown>;
}

/** A dump whose memory is on its way to another host, where it takes its time. */
async function transfer(
  workload: Workload,
  options: Parameters<typeof dump>[1] = {},
): Promise<Transfer> {
  const host = await startHost(scope);
  // Slow enough that it is on its way for as long as a busy machine needs to end it.
  await host.throttle('50mbit');
  const imagePath = join(await scope.directory(), 'received');
  const { port } = await host.call<{ port: number }>('startPageServer', {
    imagePath,
    address: host.address,
  });
  const pageServer = { address: host.address, port };
  const sent = send(workload, port, { pageServer, ...options });
  sent.catch(() => {});
  const criu = await until('memory arrives', () => host.servingCriu);
  return { host, criu, imagePath, sent };
}

describe('a page server is ended early', () => {
  test('by close, dispose and signal while it waits', async () => {
    const workload = await memoryWorkload();
    const ends: ((server: Awaited<ReturnType<typeof startPageServer>>) => unknown)[] = [
      (server) => server.close(),
      (server) => server[Symbol.asyncDispose](),
    ];
    for (const end of ends) {
      const { imagePath, server } = await serverFor();
      await end(server);
      await expect(server.finished).rejects.toMatchObject({ code: 'ABORT_ERR', stage: 'listen' });
      expect(existsSync(imagePath)).toBe(false);
      await server.close(); // once more is no harm
    }
    const controller = new AbortController();
    const { imagePath, server } = await serverFor({ signal: controller.signal });
    const reason = new Error('enough');
    controller.abort(reason);
    await expect(server.finished).rejects.toMatchObject({ name: 'AbortError', cause: reason });
    expect(existsSync(imagePath)).toBe(false);
    await expect(serverFor({ signal: controller.signal })).rejects.toMatchObject({
      code: 'ABORT_ERR',
    });
    await expectNothingLeft(workload);
  });

  test('in the middle of a transfer, where the sender fails and its process goes on', async () => {
    const workload = await memoryWorkload(64);
    const { host, sent, imagePath } = await transfer(workload);
    await until('pages are there', () => pagesIn(imagePath).length > 0);
    const received = expect(host.call('received')).rejects.toMatchObject({
      code: 'ABORT_ERR',
      stage: 'transfer',
    });
    await host.call('closePageServer');
    await received;
    await expect(sent).rejects.toMatchObject({ code: 'ERR_CRIU_FAILED' });
    expect(readdirSync(imagePath)).toEqual(['page-server.log']);
    await goesOn(workload);
  });
});

describe('a transfer to a page server fails', () => {
  test('on a port that is taken and an address that is not ours', async () => {
    const workload = await memoryWorkload();
    const { server } = await serverFor();
    const imagePath = join(await scope.directory(), 'never');
    await expect(
      startPageServer({ imagePath, address: '127.0.0.1', port: server.port }),
    ).rejects.toMatchObject({
      code: 'ERR_CRIU_ADDRESS',
      message: `Cannot receive pages: cannot listen on 127.0.0.1 port ${server.port} (EADDRINUSE)`,
    });
    await expect(startPageServer({ imagePath, address: '192.0.2.1' })).rejects.toMatchObject({
      code: 'ERR_CRIU_ADDRESS',
      errno: 99,
    });
    expect(existsSync(imagePath)).toBe(false);
    await server.close();
    await expectNothingLeft(workload);
  });

  test.each([
    [{}, /an IP address for address but received undefined/],
    [{ address: 'host.example' }, /an IP address for address/],
    [{ address: '127.0.0.1', port: 70000 }, /from 0 to 65535 for port/],
    [{ address: '127.0.0.1', tlsCert: '/cert.pem' }, /tlsCert needs tls/],
    [{ address: '127.0.0.1', tls: true, tlsCacert: '/none.pem' }, /tlsCacert.*ENOENT/],
    [{ address: '127.0.0.1', leaveRunning: true }, /an option of checkpoint and dump/],
  ])('with the bad options %j', async (options, message) => {
    const imagePath = join(await scope.directory(), 'never');
    const bad = { imagePath, ...options } as PageServerOptions;
    await expect(startPageServer(bad)).rejects.toThrow(message);
    expect(existsSync(imagePath)).toBe(false);
  });

  test('from a sender that is no CRIU, and from one that breaks off', async () => {
    const workload = await memoryWorkload();
    for (const bytes of [Buffer.alloc(64, 0x47), Buffer.alloc(3)]) {
      const { imagePath, server } = await serverFor();
      const socket = connect(server.port, '127.0.0.1');
      socket.on('error', () => {});
      socket.end(bytes);
      const error: unknown = await server.finished.catch((reason: unknown) => reason);
      expect(error).toBeInstanceOf(CriuError);
      expect(error).toMatchObject({ code: 'ERR_CRIU_FAILED', stage: 'transfer' });
      expect((error as CriuError).log).not.toEqual([]);
      expect(readdirSync(imagePath)).toEqual(['page-server.log']);
    }
    await expectNothingLeft(workload);
  });

  test('when nobody listens, and the process goes on', async () => {
    const workload = await memoryWorkload();
    const port = await freePort();
    await expect(send(workload, port)).rejects.toMatchObject({
      code: 'ERR_CRIU_FAILED',
      message: expect.stringContaining(`Can't connect to server 127.0.0.1:${port}`) as string,
    });
    await expectNothingLeft(workload);
  });

  test('when the receiving criu is killed in the middle', async () => {
    const workload = await memoryWorkload(64);
    const { host, criu, sent } = await transfer(workload);
    const received = expect(host.call('received')).rejects.toMatchObject({
      code: 'ERR_CRIU_DIED',
      message: expect.stringMatching(
        /killed by signal 9 .* receive pages, at stage transfer/,
      ) as string,
    });
    process.kill(criu, 'SIGKILL');
    await expect(sent).rejects.toMatchObject({ code: 'ERR_CRIU_FAILED' });
    await received;
    await goesOn(workload);
  });

  test('when the disk of the receiver is full, and both sides say so', async () => {
    const workload = await memoryWorkload(64);
    const host = await startHost(scope);
    const small = await scope.directory();
    await host.call('mountTmpfs', small, '8m');
    const { port } = await host.call<{ port: number }>('startPageServer', {
      imagePath: join(small, 'received'),
      address: host.address,
    });
    const received = expect(host.call('received')).rejects.toMatchObject({
      code: 'ERR_CRIU_FAILED',
      message: expect.stringContaining('No space left on device') as string,
    });
    await expect(
      send(workload, port, { pageServer: { address: host.address, port } }),
    ).rejects.toMatchObject({ code: 'ERR_CRIU_FAILED', stage: expect.any(String) as string });
    await received;
    await goesOn(workload);
  });

  test('by timeoutMs when the receiver hangs, in the middle of a write', async () => {
    const workload = await memoryWorkload(64);
    const { criu, sent } = await transfer(workload, { timeoutMs: patientMs(2_000) });
    process.kill(criu, 'SIGSTOP');
    await expect(sent).rejects.toMatchObject({ code: 'ERR_CRIU_TIMEOUT' });
    await goesOn(workload);
  });

  test('by a signal while it connects to an address that does not answer', async () => {
    const workload = await memoryWorkload();
    const { address, inNetwork } = await startHost(scope).then((host) => ({
      address: host.address,
      inNetwork: host.inNetwork.bind(host),
    }));
    await inNetwork('ip', 'link', 'set', 'far', 'down');
    const signal = AbortSignal.timeout(500);
    const pageServer = { address, port: 27 };
    await expect(send(workload, 27, { pageServer, signal })).rejects.toMatchObject({
      code: 'ABORT_ERR',
    });
    await goesOn(workload);
  });

  test("by itself when the receiver's network goes away", async () => {
    const workload = await memoryWorkload(64);
    const { host, sent } = await transfer(workload);
    await host.inNetwork('ip', 'link', 'set', 'far', 'down');
    await expect(sent).rejects.toMatchObject({ code: 'ERR_CRIU_FAILED' });
    await goesOn(workload);
  });

  test('when the host of the receiver is gone, with its network namespace', async () => {
    const workload = await memoryWorkload(64);
    const { host, sent } = await transfer(workload);
    await host.kill();
    await expect(sent).rejects.toMatchObject({ code: 'ERR_CRIU_FAILED' });
    await goesOn(workload);
  });
});

/** CRIU fails, or falls over its own failure to set TLS up. */
const failed: unknown = expect.stringMatching(/^ERR_CRIU_(FAILED|DIED)$/);

optionTest(['tls', 'tlsCacert', 'tlsCert', 'tlsKey'], 'memory is sent encrypted', async () => {
  const workload = await memoryWorkload();
  const [ours = {}, theirs = {}] = await makeCertificates(scope, ['127.0.0.2', '127.0.0.1']);
  const { server } = await serverFor(theirs);
  await send(workload, server.port, ours);
  expect((await server.finished).bytes).toBeGreaterThan(16 * 1024 * 1024);

  // Neither takes a side without.
  const plain = await serverFor(theirs);
  await expect(send(workload, plain.server.port)).rejects.toMatchObject({ code: failed });
  await expect(plain.server.finished).rejects.toThrow(/TLS handshake failed/);
  const open = await serverFor();
  await expect(send(workload, open.server.port, ours)).rejects.toThrow(/tls: /);
  await expect(open.server.finished).rejects.toBeInstanceOf(CriuError);
  await expectNothingLeft(workload);
});

optionTest('tlsNoCnVerify', 'a certificate for another name is refused without it', async () => {
  const workload = await memoryWorkload();
  const [wrong = {}, ours = {}] = await makeCertificates(scope, ['127.0.0.9', '127.0.0.1']);
  const { server } = await serverFor(wrong);
  await expect(send(workload, server.port, ours)).rejects.toMatchObject({
    code: failed,
    message: expect.stringContaining('The name in the certificate does not match') as string,
  });
  await expect(server.finished).rejects.toBeInstanceOf(CriuError);
  const other = await serverFor(wrong);
  await send(workload, other.server.port, { ...ours, tlsNoCnVerify: true });
  await other.server.finished;
  await expectNothingLeft(workload);
});

optionTest('tlsCacrl', 'a certificate that was revoked is refused', async () => {
  const workload = await memoryWorkload();
  const [certificate] = await makeCertificates(scope, ['127.0.0.1']);
  if (!certificate) throw new Error('no certificate');
  const { tlsCacert, tlsCert } = certificate;
  const directory = await scope.directory();
  const path = (name: string): string => join(directory, name);
  writeFileSync(path('index'), '');
  writeFileSync(
    path('ca.conf'),
    `[ca]\ndefault_ca=a\n[a]\ndatabase=${path('index')}\ndefault_md=sha256\ndefault_crl_days=2\n` +
      `certificate=${tlsCacert}\nprivate_key=${tlsCacert.replace('.pem', '.key')}\n`,
  );
  await runOk('openssl', ['ca', '-config', path('ca.conf'), '-revoke', tlsCert]);
  await runOk('openssl', ['ca', '-config', path('ca.conf'), '-gencrl', '-out', path('crl.pem')]);
  const { server } = await serverFor(certificate);
  const tlsCacrl = path('crl.pem');
  await expect(send(workload, server.port, { ...certificate, tlsCacrl })).rejects.toMatchObject({
    code: failed,
    message: expect.stringContaining('revoked') as string,
  });
  await expect(server.finished).rejects.toBeInstanceOf(CriuError);
  await expect(
    send(workload, server.port, { ...certificate, tlsCacrl: path('index') }),
  ).rejects.toThrow(/tlsCacrl/);
  await expectNothingLeft(workload);
});

test('a criu service cannot be a page server', async () => {
  const { service, directory } = await startService(scope);
  const criu = new Criu({ service });
  await expect(
    startPageServer({ imagePath: join(directory, 'images'), address: '127.0.0.1', criu }),
  ).rejects.toMatchObject({ code: 'ERR_CRIU_NOT_FOUND' });
});

test('the log of a page server is where workPath says', async () => {
  const workload = await memoryWorkload();
  const workPath = join(await scope.directory(), 'work');
  const { imagePath, server } = await serverFor({ workPath, logFile: 'ps.log', logLevel: 3 });
  await send(workload, server.port);
  expect((await server.finished).logFile).toBe(join(workPath, 'ps.log'));
  expect(readFileSync(join(workPath, 'ps.log'), 'utf8')).toMatch(/Session over/);
  expect(readdirSync(imagePath).every((name) => name.endsWith('.img'))).toBe(true);
});
