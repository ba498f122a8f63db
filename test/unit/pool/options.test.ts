import { expect, test } from 'vitest';
import { checkPoolOptions } from '../../../lib/pool/options.js';

const type = 'ERR_INVALID_ARG_TYPE';
const value = 'ERR_INVALID_ARG_VALUE';

test.each<[unknown, string, string]>([
  [1, type, 'options'],
  [[], type, 'options'],
  [{ size: '1' }, type, 'size'],
  [{ size: -1 }, value, 'size'],
  [{ size: 1.5 }, value, 'size'],
  [{ max: 0 }, value, 'max'],
  [{ size: 4, max: 3 }, value, 'max'],
  [{ concurrency: 0 }, value, 'concurrency'],
  [{ maxUses: 0 }, value, 'maxUses'],
  [{ idleMs: 2 ** 31 }, value, 'idleMs'],
  [{ acquireTimeoutMs: 0 }, value, 'acquireTimeoutMs'],
  [{ taskTimeoutMs: Number.NaN }, value, 'taskTimeoutMs'],
  [{ healthCheckMs: 0 }, value, 'healthCheckMs'],
  [{ healthTimeoutMs: null }, type, 'healthTimeoutMs'],
  [{ graceMs: -1 }, value, 'graceMs'],
  [{ drainMs: {} }, type, 'drainMs'],
  [{ signal: {} }, type, 'signal'],
  [{ data: Symbol('a') }, type, 'data'],
  [{ env: [] }, type, 'env'],
  [{ argv: 'a' }, type, 'argv'],
  [{ argv: [1] }, type, 'argv[0]'],
  [{ restore: 1 }, type, 'restore'],
  [{ restore: { channel: true } }, value, 'restore.channel'],
  [{ restore: { pidNamespace: 'new' } }, value, 'restore.pidNamespace'],
  [{ restore: { logLevel: 'a' } }, type, 'logLevel'],
  [{ workers: 1 }, value, 'workers'],
])('%j is refused', (options, code, option) => {
  expect(() => checkPoolOptions('/images', options)).toThrow(
    expect.objectContaining({ code, option }) as Error,
  );
});

test('a path is needed', () => {
  expect(() => checkPoolOptions(undefined, {})).toThrow('imagePath');
});

test('max is the size when it is not given, and at least 1', () => {
  expect(checkPoolOptions('/images', {})).toMatchObject({ size: 2, max: 2 });
  expect(checkPoolOptions('/images', { size: 0 })).toMatchObject({ size: 0, max: 1 });
  expect(checkPoolOptions('/images', { size: 5 })).toMatchObject({ size: 5, max: 5 });
});

test('data is the same for all clones, or what a function says', () => {
  const options = (data: unknown): unknown =>
    [1, 2].map((number) => checkPoolOptions('/images', { data }).restoreOptions(number).data);
  expect(options({ a: 1 })).toEqual([{ a: 1 }, { a: 1 }]);
  expect(options((number: number) => number * 2)).toEqual([2, 4]);
});
