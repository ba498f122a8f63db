import { expect, test, vi } from 'vitest';
import { withDeadline } from '../../../lib/base/deadline.js';
import { sleep } from '../../helpers/system/exec.js';

const never = new Promise<never>(() => {});

/** A promise whose end is in the test's hand. */
function pending<T>(): { promise: Promise<T>; resolve: (value: T) => void } {
  let resolve: (value: T) => void = () => {};
  const promise = new Promise<T>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}

test('withDeadline gives what the operation gives when it is not given up', async () => {
  const { signal } = new AbortController();
  const bounds = { signal, timeoutMs: 10_000 };
  const value = await withDeadline('dump', bounds, async (deadline) => {
    expect(deadline.signal.aborted).toBe(false);
    return deadline.bound('container', Promise.resolve(7));
  });
  expect(value).toBe(7);
  const cause = new Error('broken');
  await expect(
    withDeadline('dump', bounds, (deadline) => deadline.bound('criu', Promise.reject(cause))),
  ).rejects.toBe(cause);
});

test('withDeadline leaves a step that hangs at the time limit, and the error tells the stage', async () => {
  await expect(
    withDeadline('preDump', { timeoutMs: 20 }, (deadline) => deadline.bound('directory', never)),
  ).rejects.toMatchObject({
    code: 'ERR_CRIU_TIMEOUT',
    operation: 'preDump',
    stage: 'directory',
    message: 'The preDump was given up at stage directory: timeoutMs 20 is over',
    cause: { name: 'TimeoutError' },
  });
});

test('withDeadline leaves a step that hangs at the abort, with its reason', async () => {
  const controller = new AbortController();
  const reason = new Error('enough');
  const running = withDeadline('dump', controller, (deadline) =>
    deadline.bound('container', never),
  );
  controller.abort(reason);
  await expect(running).rejects.toMatchObject({
    name: 'AbortError',
    code: 'ABORT_ERR',
    stage: 'container',
    cause: reason,
  });
});

test('withDeadline begins nothing when the signal was aborted before', async () => {
  const run = vi.fn();
  await expect(withDeadline('dump', { signal: AbortSignal.abort() }, run)).rejects.toMatchObject({
    code: 'ABORT_ERR',
    stage: 'start',
  });
  expect(run).not.toHaveBeenCalled();
});

test('withDeadline has undone, once, what a step has made after it was left', async () => {
  const step = pending<string>();
  const undo = vi.fn(() => Promise.reject(new Error('nobody is told')));
  await expect(
    withDeadline('dump', { timeoutMs: 10 }, (deadline) =>
      deadline.bound('directory', step.promise, undo),
    ),
  ).rejects.toMatchObject({ stage: 'directory' });
  expect(undo).not.toHaveBeenCalled();
  step.resolve('made');
  await sleep(0);
  expect(undo.mock.calls).toEqual([['made']]);
});

test('withDeadline either gives or has undone a step that ends in the moment of the abort, never both', async () => {
  for (const order of ['step first', 'abort first']) {
    const controller = new AbortController();
    const step = pending<string>();
    const undo = vi.fn();
    const running = withDeadline('dump', controller, (deadline) =>
      deadline.bound('directory', step.promise, undo),
    ).then(
      () => 'given',
      () => 'refused',
    );
    const acts = [() => step.resolve('made'), () => controller.abort()];
    for (const act of order === 'step first' ? acts : acts.reverse()) act();
    const outcome = await running;
    await sleep(0);
    expect(undo).toHaveBeenCalledTimes(outcome === 'given' ? 0 : 1);
  }
});

test('withDeadline lets go of the signal at the end', async () => {
  const { signal } = new AbortController();
  const added = vi.spyOn(signal, 'addEventListener');
  const removed = vi.spyOn(signal, 'removeEventListener');
  await withDeadline('dump', { signal }, (deadline) => deadline.bound('criu', sleep(1)));
  expect(removed).toHaveBeenCalledTimes(added.mock.calls.length);
});

test('withDeadline settles two seconds after the time limit, whatever the operation waits for', async () => {
  const start = performance.now();
  await expect(
    withDeadline('dump', { timeoutMs: 20 }, async (deadline) => {
      deadline.check('queued');
      await never;
    }),
  ).rejects.toMatchObject({
    code: 'ERR_CRIU_TIMEOUT',
    stage: 'queued',
    message: expect.stringMatching(/had not ended 2 s later$/),
  });
  expect(performance.now() - start).toBeGreaterThan(2_000);
});

test('withDeadline tells a success however long its end takes', async () => {
  const value = await withDeadline('dump', { timeoutMs: 20 }, async (deadline) => {
    deadline.commit();
    await sleep(2_200);
    return 7;
  });
  expect(value).toBe(7);
});
