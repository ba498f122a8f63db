import { beforeAll, describe, expect, test } from 'vitest';
import type { DumpProgress } from '../../../lib/index.js';
import { dump, startPageServer } from '../../helpers/api.js';
import { requireNeeds } from '../../helpers/needs.js';
import { optionTest } from '../../helpers/option-test.js';
import { useScope } from '../../helpers/scope.js';
import { goesOn, startNode } from '../../helpers/system/process.js';

beforeAll(() => requireNeeds('root', 'criu', 'libcriu', 'build'));

const scope = useScope();
const mebibyte = 2 ** 20;
const memory = 256 * mebibyte;

/** Has so much memory that CRIU writes for longer than the time between two calls of `onProgress`. */
async function startLarge(): Promise<{ pid: number }> {
  return await startNode(
    scope,
    `const held = Buffer.alloc(${memory}, 'libcriu'); setInterval(() => held.at(0), 1e6); ready(0);`,
  );
}

const options = async () => ({
  imagePath: `${await scope.directory()}/images`,
  leaveRunning: true,
});

describe('onProgress', () => {
  optionTest('onProgress', 'hears of each stage, and of the memory as it is written', async () => {
    const { pid } = await startLarge();
    const heard: DumpProgress[] = [];
    const onProgress = (progress: DumpProgress): unknown => heard.push(progress);
    const { stats, warnings, durationMs } = await dump(pid, { ...(await options()), onProgress });
    expect(warnings).toEqual([]);
    const stages = heard.map(({ stage }) => stage);
    expect([...new Set(stages)]).toEqual(['request', 'preDump', 'queryExtFiles', 'postDump']);
    for (const of of ['bytes', 'pages', 'elapsedMs'] as const) {
      const values = heard.map((progress) => progress[of] ?? Number.NaN);
      expect(values).toEqual([...values].sort((a, b) => a - b));
    }
    const last = heard.at(-1);
    expect(last?.pages).toBe(stats?.pagesWritten);
    expect(last?.bytes).toBeGreaterThanOrEqual(memory);
    expect(last?.elapsedMs).toBeLessThanOrEqual(durationMs);
    expect(last?.expectedBytes).toBeGreaterThanOrEqual(memory);
    expect(last?.expectedBytes).toBeLessThan(memory * 2);
  });

  test('is not called any more when the call has ended', async () => {
    const { pid } = await startLarge();
    let calls = 0;
    await dump(pid, { ...(await options()), onProgress: () => calls++ });
    const before = calls;
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(calls).toBe(before);
  });

  test('does not count pages that a page server gets', async () => {
    const { pid } = await startLarge();
    const received = `${await scope.directory()}/received`;
    const address = '127.0.0.1';
    const server = await startPageServer({ imagePath: received, address });
    const heard: DumpProgress[] = [];
    const onProgress = (progress: DumpProgress): unknown => heard.push(progress);
    const pageServer = { address, port: server.port };
    await dump(pid, { ...(await options()), pageServer, onProgress });
    await server.finished;
    const unknown = heard.filter(({ pages, bytes }) => pages === undefined && bytes === undefined);
    expect(unknown).toHaveLength(heard.length);
    expect(heard.at(-1)?.expectedBytes).toBeGreaterThanOrEqual(memory);
  });

  test.each([
    [
      'throws',
      () => {
        throw new Error('the terminal is gone');
      },
    ],
    ['rejects', () => Promise.reject(new Error('the terminal is gone'))],
  ])('that %s is called no more, and the dump succeeds with a warning', async (_how, fail) => {
    const { pid } = await startLarge();
    let calls = 0;
    const onProgress = (): unknown => {
      calls++;
      return fail();
    };
    const { warnings } = await dump(pid, { ...(await options()), onProgress });
    expect(warnings).toEqual([
      'onProgress has failed and was not called again: the terminal is gone',
    ]);
    expect(calls).toBeLessThanOrEqual(2);
    await goesOn({ pid });
  });
});
