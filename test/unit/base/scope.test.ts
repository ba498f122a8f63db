import { describe, expect, test } from 'vitest';
import { callAll, Scope, startScope, withScope } from '../../../lib/base/scope.js';

/** Something to open, which notes its end in a list. */
function resource(name: string, closed: string[]): { name: string; close(): void } {
  return { name, close: () => void closed.push(name) };
}

/** A release that fails after it has been noted. */
function failing(name: string, released: string[]): () => Promise<never> {
  return async () => {
    released.push(name);
    throw new Error(`${name} cannot be released`);
  };
}

describe('Scope', () => {
  test('releases what it has in reverse order, waiting for each', async () => {
    const released: string[] = [];
    const scope = new Scope();
    scope.defer(() => released.push('turn'));
    expect(scope.use(resource('directory', released)).name).toBe('directory');
    scope.defer(async () => {
      await new Promise((resolve) => setImmediate(resolve));
      released.push('lock');
    });
    await scope.close();
    expect(released).toEqual(['lock', 'directory', 'turn']);
  });

  test('releases each once, however often it is closed', async () => {
    const released: string[] = [];
    const scope = new Scope();
    scope.use(resource('directory', released));
    await Promise.all([scope.close(), scope.close()]);
    await scope.close();
    expect(released).toEqual(['directory']);
  });

  test('releases the others when one fails, and throws the first error', async () => {
    const released: string[] = [];
    const scope = new Scope();
    scope.defer(() => released.push('turn'));
    scope.defer(failing('claim', released));
    scope.defer(failing('directory', released));
    await expect(scope.close()).rejects.toThrow('directory cannot be released');
    expect(released).toEqual(['directory', 'claim', 'turn']);
  });
});

describe('withScope', () => {
  test('gives the result when all is released', async () => {
    const released: string[] = [];
    const result = await withScope(async (scope) => {
      scope.use(resource('directory', released));
      expect(released).toEqual([]);
      return 'done';
    });
    expect(result).toBe('done');
    expect(released).toEqual(['directory']);
  });

  test('releases after a failure, whose error comes before that of a release', async () => {
    const released: string[] = [];
    const running = withScope(async (scope) => {
      scope.defer(failing('turn', released));
      scope.use(resource('directory', released));
      throw new Error('the operation failed');
    });
    await expect(running).rejects.toThrow('the operation failed');
    expect(released).toEqual(['directory', 'turn']);
  });

  test('throws the error of a release when the operation has none', async () => {
    const running = withScope(async (scope) => {
      scope.defer(failing('turn', []));
    });
    await expect(running).rejects.toThrow('turn cannot be released');
  });

  test('also releases what a scope that it is given has already', async () => {
    const released: string[] = [];
    const scope = new Scope();
    scope.use(resource('claim', released));
    await withScope(async (same) => void same.use(resource('directory', released)), scope);
    expect(released).toEqual(['directory', 'claim']);
  });
});

describe('startScope', () => {
  test('leaves what was started open', async () => {
    const released: string[] = [];
    const scope = await startScope(async (started) => {
      started.use(resource('directory', released));
      return started;
    });
    expect(released).toEqual([]);
    await scope.close();
    expect(released).toEqual(['directory']);
  });

  test('releases all when the start fails', async () => {
    const released: string[] = [];
    const starting = startScope(async (scope) => {
      scope.use(resource('directory', released));
      throw new Error('the port is taken');
    });
    await expect(starting).rejects.toThrow('the port is taken');
    expect(released).toEqual(['directory']);
  });
});

test('callAll() calls one function after the other', async () => {
  const calls: string[] = [];
  const slow = async (): Promise<void> => {
    calls.push('slow begins');
    await new Promise((resolve) => setImmediate(resolve));
    calls.push('slow ends');
  };
  await callAll([slow, () => calls.push('quick')]);
  expect(calls).toEqual(['slow begins', 'slow ends', 'quick']);
});
