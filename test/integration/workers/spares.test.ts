import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { basename, join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import { Criu, checkpoint, type DumpOptions, type DumpResult, dump } from '../../helpers/api.js';
import { endSpareWorkers } from '../../helpers/criu/workers.js';
import { requireNeeds } from '../../helpers/needs.js';
import { useScope } from '../../helpers/scope.js';
import { sleep, until } from '../../helpers/system/exec.js';
import { assertNoLeak, hasSpare, settledHoldings } from '../../helpers/system/leaks.js';
import { linkTarget } from '../../helpers/system/link.js';
import { patientMs } from '../../helpers/system/patience.js';
import {
  allProcesses,
  commandLine,
  processState,
  startWorkload,
} from '../../helpers/system/process.js';
import { startContainer } from '../../helpers/workloads/container.js';
import { childrenNamed, isGone } from '../../helpers/workloads/heavy-container.js';

const scope = useScope();
beforeAll(() => requireNeeds('root', 'criu', 'libcriu', 'runc', 'busybox', 'gcc'));
afterEach(() => endSpareWorkers());

const cores = availableParallelism();

/** Our own `criu swrk` processes; with nothing under way they are the spares. */
function spares(): number[] {
  return childrenNamed('criu').filter((pid) => commandLine(pid).includes('\0swrk\0'));
}

/** So many for a while: no more come, and none of them is on its way out. */
async function spareCount(count: number): Promise<void> {
  await until(`there are ${count} spares, and stay`, async () => {
    const before = spares();
    await sleep(50);
    return before.length === count && isDeepStrictEqual(spares(), before);
  });
}

function zombies(): string[] {
  return allProcesses()
    .filter(({ parent, state }) => parent === process.pid && state === 'Z')
    .map(({ name }) => name);
}

const noZombie = (): Promise<boolean> => until('no zombie is left', () => zombies().length === 0);
let number = 0;

async function dumpOne(criu: Criu, pid: number, options: DumpOptions = {}): Promise<DumpResult> {
  number += 1;
  // One that nobody has any more is garbage, and what it has kept ready ends with it.
  scope.defer(() => criu.close());
  const imagePath = join(await scope.directory(), `images-${number}`);
  return await dump(pid, { criu, leaveRunning: true, imagePath, ...options });
}

describe('spare workers', () => {
  test.each([...new Set([0, 1, cores])])(
    'of a Criu with workers: %d are there after a dump',
    async (workers) => {
      const { pid } = await startWorkload(scope, ['idle']);
      const criu = new Criu({ workers });
      await dumpOne(criu, pid);
      await spareCount(workers);
      const before = spares();
      await dumpOne(criu, pid);
      await spareCount(workers);
      await noZombie();
      // One of them was used, and another took its place.
      if (workers > 0) expect(spares()).not.toEqual(before);
    },
  );

  test('are one by default, and none before the first dump', async () => {
    const criu = new Criu();
    expect(spares()).toEqual([]);
    const { pid } = await startWorkload(scope, ['idle']);
    await dumpOne(criu, pid);
    await spareCount(1);
  });

  test('are there for the next dump, which need not wait', async () => {
    const { pid } = await startWorkload(scope, ['idle']);
    const criu = new Criu({ workers: 1 });
    await dumpOne(criu, pid);
    let leastMs = Number.POSITIVE_INFINITY;
    for (let round = 0; round < 5; round++) {
      await spareCount(1);
      const [spare] = spares();
      let used: number[] = [];
      const hooks = {
        preDump: () => {
          used = childrenNamed('criu');
        },
      };
      const { timings } = await dumpOne(criu, pid, { hooks });
      expect(used).toContain(spare);
      leastMs = Math.min(leastMs, timings.workerReadyMs);
    }
    expect(leastMs).toBeLessThan(patientMs(20));
  });

  test('are replaced when they were killed, and leave no zombie', async () => {
    const { pid } = await startWorkload(scope, ['idle']);
    const criu = new Criu({ workers: cores });
    await dumpOne(criu, pid);
    await spareCount(cores);
    const killed = spares();
    for (const spare of killed) process.kill(spare, 'SIGKILL');
    for (const spare of killed) await isGone(spare);
    await dumpOne(criu, pid);
    await spareCount(cores);
    await noZombie();
    for (const spare of killed) expect(processState(spare)).toBeUndefined();
  });

  test('close() ends them and the guard at once, the next dump brings them back', async () => {
    const container = await startContainer(scope, { args: ['/workload', '-', 'idle'] });
    const criu = new Criu({ workers: 1 });
    await dumpOne(criu, container.pid, { freezer: 'ptrace', root: container.rootfs }).catch(
      () => {}, // what becomes of it does not matter
    );
    await spareCount(1);
    await until('there is a guard', () => childrenNamed('criu_guard').length === 1);
    await criu.close();
    expect(spares()).toEqual([]);
    expect(childrenNamed('criu_guard')).toEqual([]);
    expect(zombies()).toEqual([]);
    await criu.close(); // nothing to do
    const { pid } = await startWorkload(scope, ['idle']);
    await dumpOne(criu, pid);
    await spareCount(1);
    await until('there is a guard again', () => childrenNamed('criu_guard').length === 1);
  });

  test('close() of an instance that has done nothing starts nothing', async () => {
    await new Criu().close();
    expect(spares()).toEqual([]);
  });

  test('close() ends the workers of its own instance and no others', async () => {
    const { pid } = await startWorkload(scope, ['idle']);
    const [first, second] = [new Criu({ workers: 1 }), new Criu({ workers: 1 })];
    await dumpOne(first, pid);
    await spareCount(1);
    const [own = 0] = spares();
    await dumpOne(second, pid);
    await spareCount(2);
    const [other = 0] = spares().filter((spare) => spare !== own);
    await first.close();
    expect(spares()).toEqual([other]);
    expect(childrenNamed('criu_guard')).toHaveLength(1);
    // The other one is used as if nothing had happened.
    let used: number[] = [];
    const hooks = {
      preDump: () => {
        used = childrenNamed('criu');
      },
    };
    await dumpOne(second, pid, { hooks });
    expect(used).toEqual([other]);
    await second.close();
    expect(spares()).toEqual([]);
    expect(childrenNamed('criu_guard')).toEqual([]);
    expect(zombies()).toEqual([]);
  });

  test('close() right after the start of an operation leaves nothing behind', async () => {
    const { pid } = await startWorkload(scope, ['idle']);
    const criu = new Criu({ workers: cores });
    for (const delayMs of [0, 1, 2, 5, 10, 20]) {
      const dumping = dumpOne(criu, pid);
      await sleep(delayMs);
      // One that comes too early for the operation is no more than a close before it.
      await criu.close();
      await dumping;
      await criu.close();
      expect(spares()).toEqual([]);
      expect(childrenNamed('criu_guard')).toEqual([]);
    }
    await noZombie();
  });

  test('close() ends in time although the guard hangs, and holds up nobody', async () => {
    const { pid } = await startWorkload(scope, ['idle']);
    const criu = new Criu({ workers: 1 });
    await dumpOne(criu, pid);
    await spareCount(1);
    const [guard = 0] = childrenNamed('criu_guard');
    process.kill(guard, 'SIGSTOP');
    const start = performance.now();
    const closing = criu.close();
    expect(performance.now() - start).toBeLessThan(patientMs(500));
    await closing;
    expect(performance.now() - start).toBeLessThan(patientMs(5_000));
    expect(spares()).toEqual([]);
    // Another operation has another guard, and needs this one for nothing.
    await dumpOne(criu, pid);
    await criu.close();
    await isGone(guard);
    await noZombie();
  });

  test('close() in mid-dump does not wait for it and does it no harm', async () => {
    const container = await startContainer(scope);
    const criu = new Criu();
    let tookMs = Number.POSITIVE_INFINITY;
    const hooks = {
      postDump: async () => {
        const start = performance.now();
        await criu.close();
        tookMs = performance.now() - start;
      },
    };
    await checkpoint(container.id, {
      stateRoot: container.stateRoot,
      imagePath: container.path('images'),
      leaveRunning: true,
      criu,
      hooks,
    });
    expect(tookMs).toBeLessThan(patientMs(5_000));
    expect(container.freezer).toBe('THAWED');
    // What was closed meanwhile is not started again by the operation, whose guard has gone with it.
    await spareCount(0);
    await until('the guard has gone', () => childrenNamed('criu_guard').length === 0);
    await container.countsOn();
  });

  test('serve a burst of 8 dumps, one criu a core at a time and one spare at the end', async () => {
    const workloads = await Promise.all(
      Array.from({ length: 8 }, () => startWorkload(scope, ['idle'])),
    );
    const criu = new Criu({ workers: 1 });
    await dumpOne(criu, workloads[0]?.pid ?? 0);
    await spareCount(1);
    const before = await settledHoldings([], hasSpare);
    let running = 0;
    let most = 0;
    const results = await Promise.all(
      workloads.map(async ({ pid }) => {
        const hooks = {
          preDump: () => {
            running += 1;
            most = Math.max(most, running);
          },
          postDump: () => {
            running -= 1;
          },
        };
        return await dumpOne(criu, pid, { hooks });
      }),
    );
    expect(results.map(({ pid }) => pid)).toEqual(workloads.map(({ pid }) => pid));
    expect(most).toBeLessThanOrEqual(cores);
    await spareCount(1);
    await noZombie();
    await assertNoLeak(before);
  });

  test('have a clean environment, default signals, no descriptors and our mounts', async () => {
    process.env['LD_BIND_NOW'] = '1';
    scope.defer(() => delete process.env['LD_BIND_NOW']);
    const { pid } = await startWorkload(scope, ['idle']);
    await dumpOne(new Criu({ workers: 1 }), pid);
    await spareCount(1);
    const [spare = 0] = spares();
    const environment = readFileSync(`/proc/${spare}/environ`, 'utf8').split('\0').filter(Boolean);
    for (const entry of environment) {
      const [name, value] = entry.split('=');
      if (name === 'LD_PRELOAD')
        expect(value?.split(' ').map((file) => basename(file))).toEqual([
          'criu_empty_tables.so',
          'criu_parallel_pages.so',
          'criu_tar_in_place.so',
        ]);
      else expect(['PATH', 'HOME', 'CRIU_CONFIG_FILE', 'CRIU_LIBS_DIR']).toContain(name);
    }
    const status = readFileSync(`/proc/${spare}/status`, 'utf8');
    const mask = (name: string): bigint =>
      BigInt(`0x${new RegExp(`^${name}:\\s*(\\w+)$`, 'm').exec(status)?.[1]}`);
    expect(mask('SigBlk')).toBe(0n);
    // Of 1 to 31, as the C library keeps 32 and 33 to itself; SIGPIPE is ignored by criu's own
    // doing, SIGXFSZ by Node's, which is what an abort in the memory dump builds on.
    const ignored = mask('SigIgn') & 0x7fff_ffffn;
    expect(ignored & ~(1n << 12n)).toBe(1n << 24n);
    expect(readlinkSync(`/proc/${spare}/ns/mnt`)).toBe(readlinkSync('/proc/self/ns/mnt'));
    // 3 is the socket; what criu opened itself for its requests comes after it.
    const ours = new Set(
      readdirSync('/proc/self/fd').map((fd) => linkTarget(`/proc/self/fd/${fd}`)),
    );
    const theirs = readdirSync(`/proc/${spare}/fd`).map(
      (fd) => linkTarget(`/proc/${spare}/fd/${fd}`) ?? '',
    );
    const inherited = theirs.filter((link) => ours.has(link) && !link.startsWith('/dev/null'));
    // Its standard output and error are a pipe of which we hold the other end.
    expect(new Set(inherited.filter((link) => !link.startsWith('pipe:')))).toEqual(new Set());
    expect(processState(spare)?.session).toBe(spare);
  });

  test('serve no request with another environment than their own', async () => {
    const { pid } = await startWorkload(scope, ['idle']);
    const criu = new Criu({ workers: 1 });
    await dumpOne(criu, pid);
    await spareCount(1);
    const [old] = spares();
    process.env['HOME'] = `${process.env['HOME'] ?? ''}/elsewhere`;
    scope.defer(() => {
      process.env['HOME'] = process.env['HOME']?.replace(/\/elsewhere$/, '');
    });
    let used: number[] = [];
    const hooks = {
      preDump: () => {
        used = childrenNamed('criu').filter((spare) => spare !== old);
      },
    };
    await dumpOne(criu, pid, { hooks });
    expect(used).toHaveLength(1);
    await spareCount(1);
    expect(spares()).not.toContain(old);
  });
});
