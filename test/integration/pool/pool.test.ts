import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { beforeAll, describe, expect, test } from 'vitest';
import type { Pool, PoolOptions } from '../../../lib/index.js';
import { createPool } from '../../helpers/api.js';
import { dumpAway } from '../../helpers/criu/restored.js';
import { savedBySelf } from '../../helpers/criu/self-saved.js';
import { requireNeeds } from '../../helpers/needs.js';
import { rejection } from '../../helpers/rejection.js';
import { Scope, useScope } from '../../helpers/scope.js';
import { clonePids } from '../../helpers/system/clones-of.js';
import { until } from '../../helpers/system/exec.js';
import { assertNoLeak, hasSpare, settledHoldings } from '../../helpers/system/leaks.js';
import { isAlive, startWorkload } from '../../helpers/system/process.js';

const scope = useScope();
let snapshot = '';

beforeAll(async () => {
  requireNeeds('root', 'criu', 'libcriu', 'build');
  const made = new Scope();
  snapshot = await savedBySelf(made, 'pool-program.mjs');
  // One restore leaves a spare criu behind.
  await (await createPool(snapshot, { size: 1 })).close();
  return () => made.close();
});

async function poolOk(options: PoolOptions = {}): Promise<Pool> {
  const pool = await createPool(snapshot, { size: 1, ...options });
  scope.defer(() => pool.close());
  return pool;
}

/** The pid of a clone that is ready. */
async function pidOf(pool: Pool): Promise<number> {
  const clone = await pool.acquire();
  clone.release();
  return clone.pid;
}

test('it is warm when it is there, and a clone of it is had at once', async () => {
  const pool = await poolOk({ size: 2, data: (number: number) => ({ number }) });
  expect(pool.metrics()).toMatchObject({ alive: 2, idle: 2, busy: 0, starting: 0, waiting: 0 });
  const [one, two] = [await pool.acquire(), await pool.acquire()];
  expect([await one.run(['data']), await two.run(['data'])]).toEqual(
    [one, two].map(({ number }) => ({ number })),
  );
  expect(pool.metrics()).toMatchObject({ idle: 0, busy: 2 });
  const third = pool.acquire();
  expect(pool.metrics().waiting).toBe(1);
  two.release();
  const again = await third;
  expect(again.pid).toBe(two.pid);
  again.release();
  one.release();
  expect(() => one.send('no')).toThrow(
    expect.objectContaining({ code: 'ERR_CLONE_ENDED' }) as Error,
  );
  const { acquires, restores } = pool.metrics();
  expect(restores).toMatchObject({ succeeded: 2, failed: 0 });
  expect(acquires).toMatchObject({ succeeded: 3, failed: 0 });
});

test('run answers with what the handler returns or throws', async () => {
  const pool = await poolOk({ env: { NAME: 'new' }, argv: ['a', ''] });
  const value = { at: new Map([[1, Buffer.from('b')]]), big: 'x'.repeat(3_000_000) };
  expect(await pool.run(['echo', value])).toEqual(value);
  expect(await pool.run(['life'])).toEqual({ argv: ['a', ''], NAME: 'new' });
  const error = (await rejection(pool.run(['fail']))) as Error;
  expect(error).toMatchObject({ name: 'RangeError', message: 'no such page', code: 'ENOENT' });
  expect(error.stack).toContain('pool-program.mjs');
  expect(await rejection(pool.run(['throw', 'a text']))).toMatchObject({ message: 'a text' });
  expect(await rejection(pool.run(['unsendable']))).toMatchObject({ code: 'ERR_INVALID_ARG_TYPE' });
  expect(await rejection(pool.run(() => {}))).toMatchObject({ code: 'ERR_INVALID_ARG_TYPE' });
  expect(await pool.run(['count'])).toBe(1);
  expect(pool.metrics()).toMatchObject({
    restores: { succeeded: 1 },
    tasks: { answered: 3, rejected: 4, lost: 0, givenUp: 0 },
  });
});

test('a clone that dies at its task is replaced, and the task is lost with a code', async () => {
  const pool = await poolOk();
  const pid = await pidOf(pool);
  const error = await rejection(pool.run(['exit', 7]));
  expect(error).toMatchObject({ code: 'ERR_CLONE_ENDED', operation: 'run' });
  expect((error as Error).message).toContain(`(process ${pid}) has ended with the status 7`);
  const lost = pool.run(['sleep', 60_000]);
  await until('it has the task', () => pool.metrics().busy === 1);
  expect(await killBusy(pool, lost)).not.toBe(pid);
  expect(await rejection(lost)).toMatchObject({ code: 'ERR_CLONE_ENDED' });
  expect(await pool.run(['count'])).toBe(1);
  expect(pool.metrics()).toMatchObject({ tasks: { lost: 2, answered: 1 }, ends: { died: 2 } });
});

/** Kills the clone of a pool of one that has a task. */
async function killBusy(pool: Pool, task: Promise<unknown>): Promise<number> {
  task.catch(() => {});
  const next = pool.acquire({ timeoutMs: 20_000 });
  const [pid = 0] = clonePids();
  process.kill(pid, 'SIGKILL');
  (await next).release();
  return pid;
}

test('clones that die while they are ready are replaced, and messages go to who has one', async () => {
  const pool = await poolOk({ size: 2 });
  const clone = await pool.acquire();
  clone.send('hello');
  expect(await once(clone.channel, 'message')).toEqual([['back', 'hello']]);
  await clone.run(['late']);
  clone.release();
  process.kill(clone.pid, 'SIGKILL');
  expect(await clone.exited).toEqual({ code: null, signal: 'SIGKILL' });
  await until('its end is counted', () => pool.metrics().ends.died === 1);
  await until('it is replaced', () => pool.metrics().idle === 2);
  expect(isAlive(clone.pid)).toBe(false);
});

test('what a clone sends when nobody has it reaches nobody', async () => {
  const pool = await poolOk();
  await pool.run(['late']);
  await sleep(150);
  const clone = await pool.acquire();
  clone.send('mine');
  expect(await once(clone.channel, 'message')).toEqual([['back', 'mine']]);
  clone.release();
});

test('a clone is ended after its last use, and those above the size when they are idle', async () => {
  const worn = await poolOk({ maxUses: 2 });
  const counts: unknown[] = [];
  for (let use = 0; use < 5; use++) counts.push(await worn.run(['count']));
  expect(counts).toEqual([1, 2, 1, 2, 1]);
  expect(worn.metrics().ends.worn).toBe(2);
  const idle = await poolOk({ max: 3, idleMs: 50 });
  const clones = await Promise.all([idle.acquire(), idle.acquire(), idle.acquire()]);
  for (const clone of clones) clone.release();
  await until('one is left', () => idle.metrics().alive === 1 && idle.metrics().ending === 0);
  expect(idle.metrics().ends).toMatchObject({ idle: 2, died: 0 });
});

test('a task and a wait are given up in time, and the clone that hangs is ended', async () => {
  const pool = await poolOk({ acquireTimeoutMs: 200 });
  const clone = await pool.acquire();
  expect(await rejection(pool.acquire())).toMatchObject({
    code: 'ERR_POOL_TIMEOUT',
    operation: 'acquire',
  });
  const controller = new AbortController();
  const aborted = pool.acquire({ signal: controller.signal });
  controller.abort();
  expect(await rejection(aborted)).toMatchObject({ name: 'AbortError' });
  expect(await rejection(clone.run(['spin', 60_000], { timeoutMs: 100 }))).toMatchObject({
    code: 'ERR_TASK_TIMEOUT',
  });
  expect(await clone.exited).toEqual({ code: null, signal: 'SIGKILL' });
  clone.release();
  const next = await pool.acquire({ timeoutMs: 20_000 });
  const stop = new AbortController();
  const task = next.run(['sleep', 60_000], { signal: stop.signal });
  stop.abort();
  expect(await rejection(task)).toMatchObject({ name: 'AbortError' });
  next.release();
  expect(pool.metrics()).toMatchObject({ tasks: { givenUp: 2 }, acquires: { failed: 2 } });
});

test('a clone that does not answer the health check is replaced', async () => {
  const pool = await poolOk({ healthCheckMs: 50, healthTimeoutMs: 1_000 });
  const pid = await pidOf(pool);
  process.kill(pid, 'SIGSTOP');
  await until('it is replaced', () => pool.metrics().ends.unhealthy === 1);
  expect(isAlive(pid)).toBe(false);
  expect(await pool.run(['echo', 1])).toBe(1);
});

describe('close', () => {
  test('waits for the tasks, refuses others, and leaves nothing', async () => {
    const before = await settledHoldings([], hasSpare);
    const pool = await poolOk({ size: 2, max: 3 });
    const task = pool.run(['sleep', 300]);
    await pool.run(['stubborn']);
    const [held, also] = [await pool.acquire(), await pool.acquire()];
    const waits = pool.acquire();
    const closing = pool.close();
    expect(await rejection(waits)).toMatchObject({ code: 'ERR_POOL_CLOSED' });
    expect(await rejection(pool.run(1))).toMatchObject({ code: 'ERR_POOL_CLOSED' });
    expect(await task).toBe(300);
    expect(await held.run(['echo', 2])).toBe(2);
    held.release();
    await also.end();
    await closing;
    expect(pool.metrics()).toMatchObject({ alive: 0, starting: 0, waiting: 0 });
    await assertNoLeak(before);
  });

  test('ends what is not given back, and what ignores SIGTERM', async () => {
    const before = await settledHoldings([], hasSpare);
    const pool = await poolOk({ size: 2, drainMs: 100, graceMs: 200 });
    await pool.run(['stubborn']);
    const task = pool.run(['sleep', 60_000]);
    const error = rejection(task);
    const { exited } = await pool.acquire();
    await pool[Symbol.asyncDispose]();
    expect(await error).toMatchObject({ code: 'ERR_CLONE_ENDED' });
    await exited;
    await assertNoLeak(before);
  });

  test('while clones are restored ends those too, by the signal as well', async () => {
    const before = await settledHoldings([], hasSpare);
    const controller = new AbortController();
    const creating = createPool(snapshot, { size: 3, signal: controller.signal });
    setTimeout(() => controller.abort(), 30);
    expect(await rejection(creating)).toMatchObject({ name: 'AbortError' });
    await assertNoLeak(before);
    const pool = await poolOk({ size: 0, max: 2 });
    const waits = rejection(pool.acquire());
    await pool.close();
    expect(await waits).toMatchObject({ code: 'ERR_POOL_CLOSED' });
    await assertNoLeak(before);
  });
});

describe('a snapshot', () => {
  test('that cannot be restored is told by createPool, and by each call', async () => {
    const other = await dumpAway(scope, await startWorkload(scope, ['idle']));
    expect(await rejection(createPool(other))).toMatchObject({
      code: 'ERR_CRIU_IMAGES_DIR',
      operation: 'createPool',
    });
    const pool = await createPool(other, { size: 0 });
    scope.defer(() => pool.close());
    expect(await rejection(pool.acquire())).toMatchObject({
      code: 'ERR_CRIU_IMAGES_DIR',
      operation: 'acquire',
    });
    expect(await rejection(pool.run(1))).toMatchObject({ code: 'ERR_CRIU_IMAGES_DIR' });
    expect(pool.metrics()).toMatchObject({ restores: { succeeded: 0, failed: 2 } });
  });

  test('whose program ends at once is given up after a few tries', async () => {
    const before = await settledHoldings([], hasSpare);
    expect(await rejection(createPool(snapshot, { size: 1, data: 'die' }))).toMatchObject({
      code: 'ERR_CLONE_ENDED',
    });
    await assertNoLeak(before);
  });
});
