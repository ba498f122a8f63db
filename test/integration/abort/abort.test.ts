import { once } from 'node:events';
import { closeSync, constants, existsSync, openSync, readdirSync, writeSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { kernelDataDirectory } from '../../../tools/criu.mjs';
import {
  type CheckpointOptions,
  Criu,
  checkpoint,
  type DumpOptions,
  dump,
  type Hooks,
} from '../../helpers/api.js';
import { requireNeeds } from '../../helpers/needs.js';
import { criuBinary } from '../../helpers/paths.js';
import { Scope, useScope } from '../../helpers/scope.js';
import { runOk, sleep, until } from '../../helpers/system/exec.js';
import {
  assertNoLeak,
  firewallRules,
  hasSpare,
  settledHoldings,
} from '../../helpers/system/leaks.js';
import { patientMs } from '../../helpers/system/patience.js';
import { freePort } from '../../helpers/system/port.js';
import {
  processState,
  reachesState,
  startWorkload,
  type Traces,
  tracesOf,
} from '../../helpers/system/process.js';
import { type Container, startContainer } from '../../helpers/workloads/container.js';
import {
  criuWriting,
  startHeavyContainer,
  waitsAtTheEnd,
} from '../../helpers/workloads/heavy-container.js';
import { HttpLoad } from '../../helpers/workloads/http-load.js';
import { startSituation } from '../../helpers/workloads/situation.js';

const scope = useScope();
beforeAll(() => requireNeeds('root', 'criu', 'libcriu', 'build', 'runc', 'busybox', 'gcc'));

const moments = 50;
/** In a rule: CRIU's chain, its tables, the mark of its own packets. */
const crius = /criu|0xc114/i;

/** A server under load that is dumped again and again. */
interface Target {
  pid: number;
  load: HttpLoad;
  imagePath: string;
  dump(options: DumpOptions & CheckpointOptions): Promise<unknown>;
  isThawed(): boolean;
}

async function startProcess(scope: Scope): Promise<Target> {
  const { pid, report } = await startWorkload(scope, ['http', 0, 256]);
  const imagePath = join(await scope.directory(), 'images');
  return {
    pid,
    imagePath,
    load: await HttpLoad.start(scope, Number(report), pid),
    dump: (options) =>
      dump(pid, { imagePath, leaveRunning: true, tcpEstablished: true, ...options }),
    isThawed: () => !'Tt'.includes(processState(pid)?.state ?? 'gone'),
  };
}

async function startServer(scope: Scope): Promise<Target> {
  const container = await startContainer(scope, {
    args: ['/workload', '/ready', 'http', '80', '64'],
  });
  const { pid, stateRoot } = container;
  const imagePath = container.path('images');
  return {
    pid,
    imagePath,
    load: await HttpLoad.start(scope, 80, pid),
    dump: (options) =>
      checkpoint(container.id, {
        stateRoot,
        imagePath,
        leaveRunning: true,
        tcpEstablished: true,
        ...options,
      }),
    isThawed: () => container.freezer === 'THAWED' && container.isRunning,
  };
}

describe.each([
  ['a process of 256 MiB', startProcess],
  ['a container', startServer],
] as const)('an HTTP server under load in %s', (_, start) => {
  const shared = new Scope();
  let target: Target;
  let fullMs: number;
  let before: Traces;
  beforeAll(async () => {
    target = await start(shared);
    before = tracesOf(target.pid);
    // The first dump makes what stays, the second is timed.
    for (let i = 0; i < 2; i++) {
      const begun = performance.now();
      await target.dump({});
      fullMs = performance.now() - begun;
      await rm(target.imagePath, { recursive: true });
    }
  });
  afterAll(() => shared.close());

  async function servesOn(): Promise<void> {
    await target.load.goesOn();
    expect(target.isThawed()).toBe(true);
    expect(tracesOf(target.pid)).toEqual(before);
    expect(await firewallRules(target.pid)).not.toMatch(crius);
  }

  test(`is aborted at ${moments} moments of its dump: it serves on, and nothing is left`, async () => {
    const held = await settledHoldings([target.pid], hasSpare);
    const stages = new Set<string>();
    for (let round = 0; round < moments; round++) {
      const controller = new AbortController();
      const ended = target.dump({ signal: controller.signal }).then(
        () => undefined,
        (error: Error & { code?: string; stage?: string }) => error,
      );
      await sleep((fullMs * 0.95 * round) / moments);
      controller.abort();
      const error = await ended;
      if (error) {
        expect(error).toMatchObject({ name: 'AbortError', code: 'ABORT_ERR' });
        stages.add(error.stage ?? '');
        const left = existsSync(target.imagePath) ? readdirSync(target.imagePath) : [];
        expect(left.filter((name) => name !== 'dump.log')).toEqual([]);
      }
      await servesOn();
      await rm(target.imagePath, { recursive: true, force: true });
    }
    // While the memory was written, and before.
    expect(stages).toContain('queryExtFiles');
    expect(stages.size).toBeGreaterThan(1);
    await assertNoLeak(held, [target.pid]);
  }, 600_000);
});

/** Goes on, thawed and with its network. */
async function expectUnlocked(container: Container): Promise<void> {
  expect(await firewallRules(container.pid)).not.toMatch(crius);
  expect(container.freezer).toBe('THAWED');
  await container.countsOn();
}

describe('the network of a container is unlocked again', () => {
  test.each(['nftables', 'iptables'] as const)(
    'by %s, after SIGKILL of criu',
    async (networkLock) => {
      const container = await startHeavyContainer(scope, { mebibytes: 96 });
      const imagePath = container.path('images');
      const { stateRoot } = container;
      const options = { stateRoot, imagePath, leaveRunning: true, networkLock };
      const died = expect(
        checkpoint(container.id, { ...options, hooks: waitsAtTheEnd }),
      ).rejects.toMatchObject({
        code: 'ERR_CRIU_DIED',
        stage: expect.stringMatching(/^(queryExtFiles|postDump)$/) as string,
      });
      const criu = await criuWriting(container, imagePath);
      process.kill(criu, 'SIGSTOP');
      expect(await firewallRules(container.pid)).toMatch(crius);
      process.kill(criu, 'SIGKILL');
      await died;
      await expectUnlocked(container);
    },
  );

  test.each(['nftables', 'iptables'] as const)(
    'by %s, after an abort while lazy pages are served',
    async (networkLock) => {
      const container = await startContainer(scope);
      const controller = new AbortController();
      const { signal } = controller;
      const dumping = checkpoint(container.id, {
        ...(await lazily(container)),
        networkLock,
        signal,
      });
      const served = expect(dumping).rejects.toMatchObject({
        code: 'ABORT_ERR',
        stage: 'statusReady',
      });
      await dumping.statusReady;
      expect(await firewallRules(container.pid)).toMatch(crius);
      controller.abort();
      await served;
      await expectUnlocked(container);
      expect(readdirSync(container.path('images'))).toEqual(['dump.log']);
    },
  );

  test('after a veto of statusReady', async () => {
    const container = await startContainer(scope);
    const cause = new Error('not now');
    const statusReady = (): Promise<never> => Promise.reject(cause);
    await expect(
      checkpoint(container.id, { ...(await lazily(container)), hooks: { statusReady } }),
    ).rejects.toMatchObject({ code: 'ERR_CRIU_VETOED', stage: 'statusReady', cause });
    await expectUnlocked(container);
  });

  test('but the table of another criu in the same namespace stays', async () => {
    const container = await startHeavyContainer(scope, { mebibytes: 96 });
    const inContainer = `--net=/proc/${container.pid}/ns/net`;
    await runOk('nsenter', [inContainer, 'nft', 'add', 'table', 'inet', 'CRIU-another']);
    const imagePath = container.path('images');
    const options = { stateRoot: container.stateRoot, imagePath, leaveRunning: true };
    const died = expect(
      checkpoint(container.id, { ...options, hooks: waitsAtTheEnd }),
    ).rejects.toMatchObject({ code: 'ERR_CRIU_DIED' });
    process.kill(await criuWriting(container, imagePath), 'SIGKILL');
    await died;
    const tables = await runOk('nsenter', [inContainer, 'nft', 'list', 'tables']);
    expect(tables.match(/CRIU-.*/g)).toEqual(['CRIU-another']);
  });
});

async function lazily(container: Container): Promise<CheckpointOptions> {
  return {
    stateRoot: container.stateRoot,
    imagePath: container.path('images'),
    lazyPages: true,
    networkLock: 'nftables',
    pageServer: `127.0.0.1:${await freePort()}`,
  };
}

describe('timeoutMs ends a checkpoint', () => {
  test('while criu is asked for its version', async () => {
    const binary = join(await scope.directory(), 'criu');
    await writeFile(binary, '#!/bin/sh\nexec sleep 30\n', { mode: 0o755 });
    const container = await startContainer(scope);
    const criu = new Criu({ binary });
    const { stateRoot } = container;
    const imagePath = container.path('images');
    await expect(
      checkpoint(container.id, { stateRoot, imagePath, criu, timeoutMs: patientMs(500) }),
    ).rejects.toMatchObject({ code: 'ERR_CRIU_TIMEOUT', stage: 'criu' });
    expect(existsSync(imagePath)).toBe(false);
    await container.countsOn();
  });

  test('while a tmpfs is archived', async () => {
    const container = await startContainer(scope);
    const directory = await scope.directory();
    const slow = 'for i in $(seq 4000); do echo x || exit 1; sleep 0.05; done';
    await writeFile(join(directory, 'tar'), `#!/bin/sh\n${slow}\n`, { mode: 0o755 });
    const path = process.env['PATH'];
    process.env['PATH'] = `${directory}:${path}`;
    const begun = performance.now();
    try {
      const { stateRoot } = container;
      const imagePath = container.path('images');
      await expect(
        checkpoint(container.id, {
          stateRoot,
          imagePath,
          leaveRunning: true,
          tar: 'system',
          timeoutMs: patientMs(2_000),
        }),
      ).rejects.toMatchObject({ code: 'ERR_CRIU_TIMEOUT', stage: 'queryExtFiles' });
    } finally {
      process.env['PATH'] = path;
    }
    // The archive itself takes minutes.
    expect(performance.now() - begun).toBeLessThan(patientMs(8_000));
    await expectUnlocked(container);
  });
});

test('an abort while criu looks at the kernel does not spoil its cache', async () => {
  const { pid } = await startWorkload(scope, ['idle']);
  const directory = await scope.directory();
  const cache = join(kernelDataDirectory(criuBinary) ?? '', 'criu.kdat');
  for (let afterMs = 0; afterMs < 20; afterMs += 2) {
    await rm(cache, { force: true });
    const controller = new AbortController();
    const { signal } = controller;
    const imagePath = join(directory, `${afterMs}`);
    const ended = dump(pid, { imagePath, leaveRunning: true, signal }).catch(() => {});
    await sleep(afterMs);
    controller.abort();
    await ended;
    expect(existsSync(`${cache}.tmp`)).toBe(false);
  }
});

describe('an abort ends a dump that waits for a page server', () => {
  test('that does not read', async () => {
    const { pid } = await startWorkload(scope, ['memory', 64]);
    const before = tracesOf(pid);
    const server = createServer({ pauseOnConnect: true }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    scope.defer(() => server.close());
    const { port } = server.address() as AddressInfo;
    const controller = new AbortController();
    const connected = once(server, 'connection');
    let reached = false;
    const hooks: Hooks = {
      queryExtFiles: () => {
        reached = true;
      },
    };
    const ended = expect(
      dump(pid, {
        imagePath: join(await scope.directory(), 'images'),
        pageServer: `127.0.0.1:${port}`,
        signal: controller.signal,
        hooks,
      }),
    ).rejects.toMatchObject({ code: 'ABORT_ERR', stage: 'queryExtFiles' });
    const [socket] = (await connected) as [Socket];
    scope.defer(() => socket.destroy());
    await until('criu is at the memory', () => reached);
    await sleep(200); // its buffers are full
    controller.abort();
    await ended;
    await reachesState(pid, 'S');
    expect(tracesOf(pid)).toEqual(before);
  });

  test('that does not accept', async () => {
    const { pid } = await startWorkload(scope, ['idle']);
    const { report } = await startWorkload(scope, ['listen']);
    // The queue is full, and who comes now is not answered.
    for (let i = 0; i < 2_000; i++) {
      const socket = connect(Number(report), '127.0.0.1');
      scope.defer(() => socket.destroy());
      socket.on('error', () => {});
      if (
        await Promise.race([
          once(socket, 'connect').then(() => false),
          sleep(patientMs(2_000)).then(() => true),
        ])
      )
        break;
    }
    await expect(
      dump(pid, {
        imagePath: join(await scope.directory(), 'images'),
        pageServer: `127.0.0.1:${report}`,
        timeoutMs: patientMs(1_000),
      }),
    ).rejects.toMatchObject({ code: 'ERR_CRIU_TIMEOUT', stage: 'preDump' });
    await reachesState(pid, 'S');
  });
});

test('an abort ends a dump of which nobody reads the status fd', async () => {
  const pipe = join(await scope.directory(), 'pipe');
  await runOk('mkfifo', [pipe]);
  const full = openSync(pipe, constants.O_RDWR | constants.O_NONBLOCK);
  scope.defer(() => closeSync(full));
  expect(() => {
    for (;;) writeSync(full, Buffer.alloc(4096));
  }).toThrow('EAGAIN');
  const statusFd = openSync(pipe, 'r+');
  scope.defer(() => closeSync(statusFd));
  const container = await startContainer(scope);
  await expect(
    checkpoint(container.id, {
      ...(await lazily(container)),
      statusFd,
      timeoutMs: patientMs(2_000),
    }),
  ).rejects.toMatchObject({ code: 'ERR_CRIU_TIMEOUT', stage: 'statusReady' });
  await expectUnlocked(container);
});

test('an abort ends a dump whose tasks do not freeze', async () => {
  // The parent of a vfork waits uninterruptibly, which CRIU bears for ten seconds.
  const { pid } = await startSituation(scope, ['vfork']);
  const imagePath = join(await scope.directory(), 'images');
  const controller = new AbortController();
  const { signal } = controller;
  let begun = 0;
  const hooks = {
    preDump: () => {
      begun = performance.now();
      setTimeout(() => controller.abort(), 200);
    },
  };
  await expect(dump(pid, { imagePath, signal, hooks })).rejects.toMatchObject({
    code: 'ABORT_ERR',
    stage: 'preDump',
  });
  expect(performance.now() - begun).toBeLessThan(patientMs(9_000));
  await reachesState(pid, 'D');
  expect(tracesOf(pid).tracer).toBe(0);
});
