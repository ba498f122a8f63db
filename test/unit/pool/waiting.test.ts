import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { BackOff } from '../../../lib/pool/back-off.js';
import { Samples } from '../../../lib/pool/samples.js';
import { Waiting } from '../../../lib/pool/waiting.js';
import { rejection } from '../../helpers/rejection.js';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test('who has waited longest is first', async () => {
  const waiting = new Waiting<number>();
  const all = [waiting.wait(1000, {}), waiting.wait(1000, {})];
  expect(waiting.length).toBe(2);
  expect([waiting.give(1), waiting.give(2), waiting.give(3)]).toEqual([true, true, false]);
  expect(await Promise.all(all)).toEqual([1, 2]);
  expect(vi.getTimerCount()).toBe(0);
});

test('nobody waits longer than they want, and nothing is given to those who do not wait', async () => {
  const waiting = new Waiting<number>();
  const controller = new AbortController();
  const late = rejection(waiting.wait(100, {}));
  const aborted = rejection(waiting.wait(1000, { signal: controller.signal }));
  vi.advanceTimersByTime(100);
  controller.abort();
  expect(await late).toMatchObject({ code: 'ERR_POOL_TIMEOUT' });
  expect(await aborted).toMatchObject({ code: 'ABORT_ERR' });
  expect(waiting.give(1)).toBe(false);
  const failed = rejection(waiting.wait(1000, {}));
  waiting.rejectAll(new Error('no'));
  expect(await failed).toMatchObject({ message: 'no' });
  expect(vi.getTimerCount()).toBe(0);
});

test('each failure doubles the time until the next try, up to 10 s', () => {
  const backOff = new BackOff();
  const waits: number[] = [];
  for (let failure = 0; failure < 10; failure++) {
    const since = Date.now();
    let until = 0;
    backOff.fail(() => {
      until = Date.now();
    });
    expect(backOff.isWaiting).toBe(true);
    vi.runAllTimers();
    waits.push(until - since);
  }
  expect(waits).toEqual([100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000, 10_000]);
  backOff.succeed();
  expect([backOff.failures, backOff.isWaiting]).toEqual([0, false]);
});

test('times are those of the last 1000', () => {
  const samples = new Samples();
  expect(samples.times).toEqual({ p50Ms: 0, p99Ms: 0 });
  for (let time = 0; time < 5000; time++) samples.add(time);
  expect(samples.times).toEqual({ p50Ms: 4500, p99Ms: 4990 });
});
