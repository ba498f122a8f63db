import { setMaxListeners } from 'node:events';
import { describe, expect, test } from 'vitest';
import { Queue } from '../../../lib/base/queue.js';

/** Lets everything that can go on go on. */
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Enters and keeps what came of it. */
function enter(queue: Queue, signal?: AbortSignal) {
  const entry: { leave?: () => void; error?: unknown; done: Promise<void> } = {
    done: Promise.resolve(),
  };
  entry.done = queue.enter(signal).then(
    (leave) => {
      entry.leave = leave;
    },
    (error: unknown) => {
      entry.error = error;
    },
  );
  return entry;
}

describe('Queue', () => {
  test('lets as many in as its limit and the others wait', async () => {
    const queue = new Queue(2);
    const entries = [1, 2, 3, 4].map(() => enter(queue));
    await settle();
    expect(entries.map(({ leave }) => leave !== undefined)).toEqual([true, true, false, false]);
    entries[0]?.leave?.();
    await settle();
    expect(entries.map(({ leave }) => leave !== undefined)).toEqual([true, true, true, false]);
  });

  test('serves in the order of the calls', async () => {
    const queue = new Queue(1);
    const order: number[] = [];
    await Promise.all(
      Array.from({ length: 50 }, async (_, index) => {
        const leave = await queue.enter();
        order.push(index);
        await settle();
        leave();
      }),
    );
    expect(order).toEqual(Array.from({ length: 50 }, (_, index) => index));
  });

  test('never lets more in than its limit, come what may', async () => {
    const queue = new Queue(3);
    let running = 0;
    let most = 0;
    await Promise.all(
      Array.from({ length: 60 }, async (_, index) => {
        for (let turn = 0; turn < index % 5; turn++) await settle();
        const leave = await queue.enter();
        running += 1;
        most = Math.max(most, running);
        for (let turn = 0; turn < index % 3; turn++) await settle();
        running -= 1;
        leave();
      }),
    );
    expect(most).toBe(3);
    expect(running).toBe(0);
  });

  test('hands a turn over without a moment in which another could take it', async () => {
    const queue = new Queue(1);
    const first = enter(queue);
    await settle();
    const waiting = enter(queue);
    first.leave?.();
    // Between the end of the first and the start of the one that waits.
    const late = enter(queue);
    await settle();
    expect(waiting.leave).toBeDefined();
    expect(late.leave).toBeUndefined();
    waiting.leave?.();
    await settle();
    expect(late.leave).toBeDefined();
  });

  test('is free again after all have left', async () => {
    const queue = new Queue(1);
    for (let round = 0; round < 3; round++) {
      const entries = [enter(queue), enter(queue)];
      for (const entry of entries) {
        await entry.done;
        entry.leave?.();
      }
    }
    const entry = enter(queue);
    await settle();
    expect(entry.leave).toBeDefined();
  });

  test('rejects an aborted signal at once, with its reason, and gives nobody a turn', async () => {
    const queue = new Queue(1);
    const reason = new Error('why');
    await expect(queue.enter(AbortSignal.abort(reason))).rejects.toBe(reason);
    const entry = enter(queue);
    await settle();
    expect(entry.leave).toBeDefined();
  });

  test('lets one that waits be aborted, and the others keep their places', async () => {
    const queue = new Queue(1);
    const abort = new AbortController();
    const first = enter(queue);
    const entries = [enter(queue), enter(queue, abort.signal), enter(queue)];
    await settle();
    const reason = new Error('why');
    abort.abort(reason);
    await settle();
    expect(entries[1]?.error).toBe(reason);
    first.leave?.();
    await settle();
    expect(entries[0]?.leave).toBeDefined();
    expect(entries[2]?.leave).toBeUndefined();
    entries[0]?.leave?.();
    await settle();
    expect(entries[2]?.leave).toBeDefined();
  });

  test('changes nothing for an abort after the turn has come', async () => {
    const queue = new Queue(1);
    const abort = new AbortController();
    const first = enter(queue);
    await settle();
    const second = enter(queue, abort.signal);
    const third = enter(queue);
    first.leave?.();
    abort.abort(); // the turn is handed over, but nobody has seen it yet
    await settle();
    expect(second.leave).toBeDefined();
    expect(third.leave).toBeUndefined();
    second.leave?.();
    await settle();
    expect(third.leave).toBeDefined();
  });

  test('lets all that wait be aborted by one signal', async () => {
    const queue = new Queue(1);
    const abort = new AbortController();
    setMaxListeners(20, abort.signal);
    const first = enter(queue);
    const entries = Array.from({ length: 20 }, () => enter(queue, abort.signal));
    await settle();
    abort.abort('enough');
    await settle();
    expect(entries.map(({ error }) => error)).toEqual(Array(20).fill('enough'));
    first.leave?.();
    const next = enter(queue);
    await settle();
    expect(next.leave).toBeDefined();
  });
});
