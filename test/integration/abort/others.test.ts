import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { Criu, checkpoint, type DumpOptions, dump } from '../../helpers/api.js';
import { lazyDump } from '../../helpers/criu/lazy-dump.js';
import { requireNeeds } from '../../helpers/needs.js';
import { distIndex } from '../../helpers/paths.js';
import { useScope } from '../../helpers/scope.js';
import { runOk, sleep, until } from '../../helpers/system/exec.js';
import { useLargePipes } from '../../helpers/system/network.js';
import { patientMs } from '../../helpers/system/patience.js';
import { allProcesses, goesOn, processState, startWorkload } from '../../helpers/system/process.js';
import { startContainer } from '../../helpers/workloads/container.js';

const scope = useScope();
beforeAll(() => requireNeeds('root', 'criu', 'libcriu', 'build', 'runc', 'busybox', 'gcc', 'ip'));

function children(name: string): number[] {
  return allProcesses()
    .filter((one) => one.name === name && one.parent === process.pid && one.state !== 'Z')
    .map(({ pid }) => pid);
}

describe('the guard', () => {
  test.each(['SIGSTOP', 'SIGKILL'] as const)(
    'is replaced after %s, and holds up nobody',
    async (signal) => {
      const container = await startContainer(scope, { args: ['/workload', '-', 'idle'] });
      const { stateRoot } = container;
      const round = (name: string): Promise<unknown> =>
        checkpoint(container.id, {
          stateRoot,
          leaveRunning: true,
          imagePath: container.path(name),
        });
      await round('first');
      const [guard] = children('criu_guard');
      if (guard === undefined) throw new Error('no guard');
      process.kill(guard, signal);
      await round('second');
      await until('the first one is gone', () => processState(guard) === undefined);
      expect(children('criu_guard')).toHaveLength(1);
      expect(container.freezer).toBe('THAWED');
    },
  );
});

describe('the network of another dump stays locked', () => {
  const locked: DumpOptions = {
    leaveRunning: true,
    tcpEstablished: true,
    networkLock: 'nftables',
  };

  /** A dump that waits at a hook until it is let go. */
  async function held(criu: Criu, hook: 'queryExtFiles' | 'postDump') {
    const { pid } = await startWorkload(scope, ['idle']);
    const imagePath = join(await scope.directory(), 'images');
    const reached = withResolvers();
    const goOn = withResolvers();
    const ended = dump(pid, {
      ...locked,
      criu,
      imagePath,
      hooks: {
        [hook]: async () => {
          reached.resolve(undefined);
          await goOn.promise;
        },
      },
    }).then(
      () => 'resolved',
      ({ code }: { code?: string }) => code,
    );
    await Promise.race([reached.promise, ended]);
    return { goOn: () => goOn.resolve(undefined), ended };
  }

  const tables = async (): Promise<number> =>
    ((await runOk('nft', ['list', 'tables'])).match(/CRIU-/g) ?? []).length;

  test.each(['queryExtFiles', 'postDump'] as const)(
    'when a criu is killed at %s that began before it',
    async (hook) => {
      const criu = new Criu({ workers: 0, concurrency: 2 });
      const before = await tables();
      const first = await held(criu, hook);
      const firsts = children('criu');
      const second = await held(criu, 'postDump');
      expect(await tables()).toBe(before + 2);
      for (const pid of firsts) process.kill(pid, 'SIGKILL');
      first.goOn();
      expect(await first.ended).toBe('ERR_CRIU_DIED');
      expect(await tables()).toBe(before + 1);
      second.goOn();
      expect(await second.ended).toBe('resolved');
      expect(await tables()).toBe(before);
    },
  );
});

function withResolvers() {
  let resolve: (value: unknown) => void = () => {};
  const promise = new Promise((done) => {
    resolve = done;
  });
  return { promise, resolve };
}

/** Sends without end, and reads nothing or all. */
function flood(socket: Socket, reads: boolean): void {
  socket.on('error', () => {});
  const chunk = Buffer.alloc(1 << 16, 1);
  const more = (): void => {
    while (!socket.destroyed && socket.write(chunk));
    socket.once('drain', more);
  };
  more();
  if (reads) socket.resume();
  else socket.pause();
}

test.each([
  ['sends without end and reads nothing', false],
  ['sends without end and reads all', true],
])('a lazy dump is ended in time whose client %s', async (_, reads) => {
  useLargePipes(scope);
  const controller = new AbortController();
  const lazy = await lazyDump(scope, { signal: controller.signal });
  scope.defer(() => controller.abort());
  const ended = lazy.dumping.then(
    () => 'resolved',
    ({ code }: { code?: string }) => code,
  );
  await lazy.dumping.statusReady;
  const socket = connect(lazy.port, '127.0.0.1');
  scope.defer(() => socket.destroy());
  await once(socket, 'connect');
  flood(socket, reads);
  await sleep(500);
  const start = performance.now();
  controller.abort();
  // The one whose client is none may have ended by itself.
  expect(await ended).toMatch(/^(ERR_CRIU_FAILED|ABORT_ERR)$/);
  expect(performance.now() - start).toBeLessThan(patientMs(2_000));
  await goesOn(lazy.workload);
});

test('a page server without descriptors takes no processor time, and closes at once', async () => {
  const imagePath = join(await scope.directory(), 'images');
  const script = `
    import { openSync } from 'node:fs';
    import { setTimeout as sleep } from 'node:timers/promises';
    import { startPageServer } from ${JSON.stringify(distIndex)};
    const server = await startPageServer({
      imagePath: ${JSON.stringify(imagePath)},
      address: '127.0.0.1',
    });
    server.finished.catch(() => {});
    try {
      for (;;) openSync('/dev/null');
    } catch {}
    console.log(server.port);
    await sleep(300);
    const before = process.cpuUsage();
    await sleep(1000);
    const { user, system } = process.cpuUsage(before);
    const closing = performance.now();
    await server.close();
    const closedMs = performance.now() - closing;
    console.log(JSON.stringify({ busyMs: (user + system) / 1000, closedMs }));
    process.exit();
  `;
  const limited = 'ulimit -n 128; exec "$0" --input-type=module -e "$1"';
  const child = spawn('sh', ['-c', limited, process.execPath, script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  scope.defer(() => child.kill('SIGKILL'));
  let text = '';
  child.stdout.on('data', (chunk: Buffer) => {
    text += chunk.toString();
  });
  const port = await until('it listens', () => Number(/^(\d+)\n/.exec(text)?.[1]) || undefined);
  const socket = connect(port, '127.0.0.1');
  scope.defer(() => socket.destroy());
  socket.on('error', () => {});
  socket.write('abc');
  await once(child, 'close');
  const { busyMs, closedMs } = JSON.parse(text.split('\n')[1] ?? '');
  expect(busyMs).toBeLessThan(500);
  expect(closedMs).toBeLessThan(patientMs(1_000));
});

test('a SIGKILL of Node lets a dump go whose criu is stopped', async () => {
  const { pid } = await startWorkload(scope, ['idle']);
  const imagePath = join(await scope.directory(), 'images');
  const script = `
    import { readFileSync } from 'node:fs';
    import { dump } from ${JSON.stringify(distIndex)};
    await dump(${pid}, {
      imagePath: ${JSON.stringify(imagePath)},
      leaveRunning: true,
      hooks: {
        // Only the criu that dumps: a spare that is stopped would not see Node's end.
        queryExtFiles: () => {
          const status = readFileSync('/proc/${pid}/status', 'utf8');
          process.kill(Number(/^TracerPid:\\s*(\\d+)/m.exec(status)[1]), 'SIGSTOP');
          process.kill(process.pid, 'SIGKILL');
        },
      },
    });
  `;
  await expect(runOk(process.execPath, ['--input-type=module', '-e', script])).rejects.toThrow();
  await goesOn({ pid });
});
