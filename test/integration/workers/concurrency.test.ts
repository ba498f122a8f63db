import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import { Criu, type DumpOptions, type DumpResult, dump, version } from '../../helpers/api.js';
import { endSpareWorkers } from '../../helpers/criu/workers.js';
import { requireNeeds } from '../../helpers/needs.js';
import { useScope } from '../../helpers/scope.js';
import { sleep, until } from '../../helpers/system/exec.js';
import { patientMs } from '../../helpers/system/patience.js';
import { isAlive, startWorkload } from '../../helpers/system/process.js';

const scope = useScope();
beforeAll(() => requireNeeds('root', 'criu', 'libcriu', 'runc', 'busybox', 'gcc'));
afterEach(() => endSpareWorkers());

const cores = availableParallelism();
let number = 0;

async function dumpOne(criu: Criu, pid: number, options: DumpOptions = {}): Promise<DumpResult> {
  number += 1;
  // One that nobody has any more is garbage, and what it has kept ready ends with it.
  scope.defer(() => criu.close());
  const imagePath = join(await scope.directory(), `images-${number}`);
  return await dump(pid, { criu, leaveRunning: true, imagePath, ...options });
}

describe('the setting concurrency', () => {
  /** Dumps that stay in their first hook until they are let go, all begun in one go. */
  async function begin(criu: (index: number) => Criu, count: number) {
    const workloads = await Promise.all(
      Array.from({ length: count }, () => startWorkload(scope, ['idle'])),
    );
    const directory = await scope.directory();
    const begun: number[] = [];
    const ended: number[] = [];
    const gates = workloads.map(() => {
      let resolve = (): void => {};
      const promise = new Promise<void>((settle) => {
        resolve = settle;
      });
      return { promise, resolve };
    });
    const aborts = workloads.map(() => new AbortController());
    const paths = workloads.map((_, index) => join(directory, String(index)));
    const dumps = workloads.map(async ({ pid }, index) => {
      const hooks = {
        preDump: async () => {
          begun.push(index);
          await gates[index]?.promise;
        },
      };
      const { signal } = aborts[index] ?? {};
      await dump(pid, {
        criu: criu(index),
        leaveRunning: true,
        imagePath: paths[index] ?? '',
        hooks,
        ...(signal === undefined ? {} : { signal }),
      });
      ended.push(index);
    });
    // A test that fails leaves none of them waiting.
    for (const dump of dumps) dump.catch(() => {});
    scope.defer(async () => {
      for (const gate of gates) gate.resolve();
      await Promise.allSettled(dumps);
    });
    return { begun, ended, gates, aborts, dumps, paths, workloads };
  }

  test('of 1 runs dumps strictly one at a time, in the order of the calls', async () => {
    const criu = new Criu({ concurrency: 1 });
    for (let repeat = 0; repeat < 3; repeat++) {
      const { begun, ended, gates, dumps } = await begin(() => criu, 8);
      for (const [index, gate] of gates.entries()) {
        await until(`dump ${index} has begun`, () => begun.length === index + 1);
        await sleep(10);
        // Nobody overtakes the one that is held, and nobody runs beside it.
        expect(begun).toEqual(Array.from({ length: index + 1 }, (_, at) => at));
        gate.resolve();
      }
      await Promise.all(dumps);
      expect(ended).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    }
  });

  test('lets a queued dump be aborted with nothing made, and the others go on', async () => {
    const criu = new Criu({ concurrency: 1 });
    const { begun, gates, aborts, dumps, paths, workloads } = await begin(() => criu, 4);
    await until('the first one has begun', () => begun.length === 1);
    await sleep(20);
    aborts[2]?.abort(new Error('not any more'));
    await expect(dumps[2]).rejects.toMatchObject({
      name: 'AbortError',
      code: 'ABORT_ERR',
      stage: 'queued',
      cause: expect.objectContaining({ message: 'not any more' }) as Error,
    });
    expect(existsSync(paths[2] ?? '')).toBe(false);
    for (const gate of gates) gate.resolve();
    await Promise.all([dumps[0], dumps[1], dumps[3]]);
    expect(begun).toEqual([0, 1, 3]);
    expect(isAlive(workloads[2]?.pid ?? 0)).toBe(true);
    expect(existsSync(paths[2] ?? '')).toBe(false);
  });

  test('does not stop timeoutMs from counting while a dump is queued', async () => {
    const criu = new Criu({ concurrency: 1 });
    const { begun } = await begin(() => criu, 1);
    await until('the first one has begun', () => begun.length === 1);
    const { pid } = await startWorkload(scope, ['idle']);
    const imagePath = join(await scope.directory(), 'images');
    // Long enough to come to the queue.
    const timeoutMs = patientMs(500);
    await expect(dump(pid, { criu, imagePath, timeoutMs })).rejects.toMatchObject({
      code: 'ERR_CRIU_TIMEOUT',
      stage: 'queued',
    });
    expect(existsSync(imagePath)).toBe(false);
    expect(isAlive(pid)).toBe(true);
  });

  test('gives the turn of a failing dump to the next one', async () => {
    const criu = new Criu({ concurrency: 1 });
    const locking = await startWorkload(scope, ['lock', join(await scope.directory(), 'lock')]);
    const { pid } = await startWorkload(scope, ['idle']);
    const settled = await Promise.allSettled(
      [locking.pid, pid, locking.pid, pid].map((target) => dumpOne(criu, target)),
    );
    expect(settled.map(({ status }) => status)).toEqual([
      'rejected',
      'fulfilled',
      'rejected',
      'fulfilled',
    ]);
  });

  test('is one dump a core by default, over all instances that do not set it', async () => {
    const { begun, gates, dumps } = await begin(() => new Criu(), cores + 2);
    await until(`${cores} have begun`, () => begun.length === cores);
    await sleep(100);
    expect(begun).toHaveLength(cores);
    // An instance of its own has a queue of its own.
    const { pid } = await startWorkload(scope, ['idle']);
    await dumpOne(new Criu({ concurrency: 1 }), pid);
    expect(begun).toHaveLength(cores);
    gates[begun[0] ?? 0]?.resolve();
    await until('the next one has begun', () => begun.length === cores + 1);
    for (const gate of gates) gate.resolve();
    await Promise.all(dumps);
  });

  test('makes nothing wait that is no dump', async () => {
    const { begun } = await begin(() => new Criu(), cores);
    await until('all have begun', () => begun.length === cores);
    expect((await version()).major).toBeGreaterThan(2);
    await new Criu().features();
  });
});
