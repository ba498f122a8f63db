import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { Criu, type CriuError, checkpoint, dump, type Hooks, restore } from '../../helpers/api.js';
import { falseCriu } from '../../helpers/criu/false-criu.js';
import { requireNeeds } from '../../helpers/needs.js';
import { failureOf } from '../../helpers/rejection.js';
import { useScope } from '../../helpers/scope.js';
import { until } from '../../helpers/system/exec.js';
import { isRunning } from '../../helpers/system/freezer.js';
import { assertNoLeak, settledHoldings } from '../../helpers/system/leaks.js';
import { patience, patientMs } from '../../helpers/system/patience.js';
import { allProcesses, isAlive, startWorkload } from '../../helpers/system/process.js';
import { startContainer } from '../../helpers/workloads/container.js';

const scope = useScope();
beforeAll(() => requireNeeds('root', 'criu', 'libcriu', 'build', 'runc', 'busybox', 'gcc'));

const settlesMs = 2_000;

interface Ended {
  error: CriuError | undefined;
  /** After the time limit. */
  lateMs: number;
}

/** Waits for an operation with a time limit, which has to be over soon after that. */
async function inTime(operate: (timeoutMs: number) => Promise<unknown>): Promise<Ended> {
  // A busy machine comes as far in this time as an idle one does.
  const timeoutMs = patientMs(400);
  const start = performance.now();
  let ended: Ended | undefined;
  const end = (error: CriuError | undefined): void => {
    ended = { error, lateMs: performance.now() - start - timeoutMs };
  };
  operate(timeoutMs).then(() => end(undefined), end);
  const { error, lateMs } = await until('it is over', () => ended, timeoutMs + settlesMs + 5_000);
  expect(lateMs).toBeLessThan(patientMs(settlesMs));
  // That is the last resort, for which a machine that is not busy gives no reason.
  if (patience() === 1) expect(error?.message ?? '').not.toContain('had not ended 2 s later');
  return { error, lateMs };
}

function criuChildren(): number[] {
  return [...allProcesses()]
    .filter(({ name, parent }) => name === 'criu' && parent === process.pid)
    .map(({ pid }) => pid);
}

describe('a dump with a time limit is over within two seconds of it when criu', () => {
  test.each([
    'stays silent',
    'refuses and stays',
    'refuses, closes and stays',
    'closes and stays',
    'notifies and stays',
    'stops itself',
    'notifies for ever and reads nothing',
    'notifies for ever',
    'prints for ever',
    'leaves its socket to a child that stays',
  ])('%s', async (mode) => {
    const { pid } = await startWorkload(scope, ['idle']);
    const criu = await falseCriu(scope, mode);
    const imagePath = join(await scope.directory(), 'images');
    const held = await settledHoldings([pid]);
    const { error } = await inTime((timeoutMs) =>
      dump(pid, { criu, timeoutMs, leaveRunning: true, imagePath }),
    );
    expect(error?.code).toMatch(/^ERR_CRIU_(TIMEOUT|DIED|FAILED)$/);
    expect(isRunning(pid)).toBe(true);
    await criu.close();
    await assertNoLeak(held, [pid]);
  });
});

test('a criu that stays after its success holds nobody up, and is ended', async () => {
  const { pid } = await startWorkload(scope, ['idle']);
  const criu = await falseCriu(scope, 'succeeds and stays');
  const imagePath = join(await scope.directory(), 'images');
  const options = { criu, timeoutMs: 60_000, leaveRunning: true, imagePath };
  const error = await failureOf(dump(pid, options));
  // Not that the time is over, but that it has saved nothing, whatever it says.
  expect(error).toMatchObject({
    code: 'ERR_CRIU_FAILED',
    message: expect.stringContaining('inventory.img') as string,
  });
  await until('it is gone', () => criuChildren().length === 0);
});

/** What is done to criu at a hook, and undone afterwards. */
interface Mischief {
  name: string;
  begin: (criu: number) => () => void;
  /** Whether it can still be had to let the tasks go in order. */
  isCurable: boolean;
}

const mischiefs: readonly Mischief[] = [
  {
    name: 'stopped',
    begin: (criu) => {
      process.kill(criu, 'SIGSTOP');
      return () => {};
    },
    isCurable: true,
  },
  {
    name: 'stopped again and again',
    begin: (criu) => {
      const stop = (): void => {
        try {
          if (criuChildren().includes(criu)) process.kill(criu, 'SIGSTOP');
        } catch {
          // It has ended between the two.
        }
      };
      stop();
      const timer = setInterval(stop, 1);
      return () => clearInterval(timer);
    },
    isCurable: false,
  },
];

describe.each(mischiefs)('criu is $name', ({ begin, isCurable }) => {
  test.each(['preDump', 'networkLock', 'queryExtFiles', 'postDump'] as const)(
    'at %s: the dump of a container is over in time, which goes on thawed',
    async (hook) => {
      const container = await startContainer(scope, { args: ['/workload', '-', 'idle'] });
      const { pid } = container;
      const held = await settledHoldings([pid]);
      let end = (): void => {};
      const hooks: Hooks = {
        [hook]: () => {
          const [working] = criuChildren();
          if (working !== undefined) end = begin(working);
        },
      };
      // Without spares the only child is the one that works.
      const criu = new Criu({ workers: 0 });
      const { stateRoot } = container;
      const imagePath = container.path('images');
      const options = { criu, stateRoot, imagePath, leaveRunning: true, hooks };
      const { error } = await inTime((timeoutMs) =>
        checkpoint(container.id, { ...options, timeoutMs }),
      );
      end();
      if (hook !== 'postDump') expect(error?.code).toBe('ERR_CRIU_TIMEOUT');
      // A busy machine may not give criu the time to end in order.
      if (isCurable && patience() === 1) expect(error?.message ?? '').not.toContain('killed');
      await until('it is thawed', () => isRunning(pid));
      await criu.close();
      await assertNoLeak(held, [pid]);
    },
  );
});

describe.each(mischiefs)('criu is $name', ({ begin }) => {
  test.each(['preRestore', 'postRestore'] as const)(
    'at %s: a restore is over in time, and all of the tasks are there or none',
    async (hook) => {
      const { pid } = await startWorkload(scope, ['idle']);
      const criu = new Criu({ workers: 0 });
      const imagePath = join(await scope.directory(), 'images');
      await dump(pid, { criu, imagePath });
      let end = (): void => {};
      const hooks = {
        [hook]: () => {
          const [working] = criuChildren();
          if (working !== undefined) end = begin(working);
        },
      };
      const { error } = await inTime((timeoutMs) => restore(imagePath, { criu, timeoutMs, hooks }));
      end();
      // What was not refused before criu was stopped is done when it goes on.
      if (hook === 'preRestore') expect(error?.code).toBe('ERR_CRIU_TIMEOUT');
      expect(isAlive(pid)).toBe(error === undefined);
      if (error === undefined) process.kill(pid, 'SIGKILL');
      await until('criu has ended', () => criuChildren().length === 0);
    },
  );
});
