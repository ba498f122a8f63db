import { expect, test } from 'vitest';
import { withStatus } from '../../../lib/process/dump-promise.js';

const saved = { logFile: '' };
const failing = new Error('it failed');

/** What Node tells of a rejection that nobody handles, while something is done. */
async function unhandledIn(act: () => unknown): Promise<unknown[]> {
  const unhandled: unknown[] = [];
  const listeners = process.rawListeners('unhandledRejection') as (() => void)[];
  process.removeAllListeners('unhandledRejection');
  process.on('unhandledRejection', (error) => unhandled.push(error));
  try {
    await act();
    await new Promise((settle) => setTimeout(settle, 10));
    return unhandled;
  } finally {
    process.removeAllListeners('unhandledRejection');
    for (const listener of listeners) process.on('unhandledRejection', listener);
  }
}

test('statusReady resolves when it is told, before the result', async () => {
  let end = (): void => {};
  const dump = withStatus(async (ready) => {
    ready();
    await new Promise<void>((settle) => {
      end = settle;
    });
    return saved;
  });
  await dump.statusReady;
  end();
  expect(await dump).toBe(saved);
});

test('statusReady resolves with a result that had no status', async () => {
  const dump = withStatus(async () => saved);
  await dump.statusReady;
  expect(await dump).toBe(saved);
});

test('both reject with the error, whose stack leads to the caller', async () => {
  const dump = withStatus(async () => {
    await Promise.resolve();
    throw new Error('it failed');
  });
  const error = await dump.catch((thrown: unknown) => thrown);
  expect((error as Error).stack).toContain('dump-promise.test.ts');
  await expect(dump.statusReady).rejects.toBe(error);
});

test('who listens to one of them is told, and who listens to none is told by Node', async () => {
  const fails = (): Promise<never> => Promise.reject(failing);
  expect(
    await unhandledIn(() => expect(withStatus(fails).statusReady).rejects.toBe(failing)),
  ).toEqual([]);
  expect(await unhandledIn(() => expect(withStatus(fails)).rejects.toBe(failing))).toEqual([]);
  expect(await unhandledIn(() => void withStatus(fails))).toEqual([failing]);
});
