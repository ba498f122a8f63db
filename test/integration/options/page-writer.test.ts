import { readdirSync, readFileSync, statSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { type CriuError, type DumpOptions, dump } from '../../helpers/api.js';
import { requireNeeds } from '../../helpers/needs.js';
import { optionTest } from '../../helpers/option-test.js';
import { failureOf } from '../../helpers/rejection.js';
import { useScope } from '../../helpers/scope.js';
import { until } from '../../helpers/system/exec.js';
import { mountTmpfs } from '../../helpers/system/mounts.js';
import { goesOn, startWorkload } from '../../helpers/system/process.js';
import { traceSpare } from '../../helpers/system/trace-spare.js';
import { childrenNamed } from '../../helpers/workloads/heavy-container.js';

const scope = useScope();
beforeAll(() => requireNeeds('root', 'criu', 'libcriu', 'gcc', 'strace'));

let number = 0;

/** Dumps into a new directory; gives its path. */
async function save(pid: number, directory: string, options: DumpOptions = {}): Promise<string> {
  number += 1;
  const imagePath = join(directory, String(number));
  await dump(pid, { imagePath, leaveRunning: true, ...options });
  return imagePath;
}

/**
 * Compares the images of memory of two dumps of one process. CRIU's own work in the process leaves a few
 * other bytes on its stack each time.
 */
function expectSameMemory(imagePath: string, other: string): void {
  const [pages, pagemap] = memoryOf(imagePath);
  const [otherPages, otherPagemap] = memoryOf(other);
  expect(pagemap.equals(otherPagemap)).toBe(true);
  expect(pages.length).toBe(otherPages.length);
  let different = 0;
  for (let at = 0; at < pages.length; at += 4096) {
    const [page, otherPage] = [pages, otherPages].map((one) => one.subarray(at, at + 4096));
    if (page !== undefined && otherPage !== undefined && !page.equals(otherPage))
      different += page.filter((byte, index) => byte !== otherPage[index]).length;
  }
  expect(different).toBeLessThan(16);
}

function memoryOf(imagePath: string): [pages: Buffer, pagemap: Buffer] {
  const pagemap = readdirSync(imagePath).find((name) => name.startsWith('pagemap-')) ?? '';
  return [readFileSync(join(imagePath, 'pages-1.img')), readFileSync(join(imagePath, pagemap))];
}

/** How many processes have moved pages, or written them. */
const writers = (trace: string): number =>
  new Set([...trace.matchAll(/^(\d+) +splice\(/gm)].map(([, pid]) => pid)).size;

describe.each(['tmpfs', 'disk'])('on a %s', (kind) => {
  const directory = (): Promise<string> =>
    kind === 'tmpfs' ? mountTmpfs(scope) : scope.directory();

  optionTest('pageWriter', 'images have the same bytes, whoever writes them', async () => {
    const path = await directory();
    for (const workload of [['memory', 96] as const, ['sparse', 96] as const]) {
      const { pid } = await startWorkload(scope, [...workload]);
      const alone = await save(pid, path, { pageWriter: 'criu' });
      expectSameMemory(await save(pid, path), alone);
      expectSameMemory(await save(pid, path), alone);
    }
  });

  optionTest('pageWriter', 'two processes write, and one if it is asked for', async () => {
    const path = await directory();
    const { pid } = await startWorkload(scope, ['memory', 64]);
    const count = async (options: DumpOptions = {}): Promise<number> => {
      // So that the spare is one for the same settings.
      await save(pid, path, options);
      return writers(
        await traceSpare(scope, ['-e', 'trace=splice'], () => save(pid, path, options)),
      );
    };
    expect(await count()).toBe(Math.min(2, availableParallelism()));
    expect(await count({ pageWriter: 'criu' })).toBe(1);
  });
});

test('little memory is written by CRIU alone', async () => {
  const { pid } = await startWorkload(scope, ['memory', 8]);
  const path = await scope.directory();
  await save(pid, path);
  const trace = await traceSpare(scope, ['-e', 'trace=splice'], () => save(pid, path));
  expect(writers(trace)).toBe(1);
});

describe('when an image cannot be written', () => {
  /** The file system has room for all but this much. */
  test.each([
    ['in the middle', 24 << 20],
    ['at its end', 64 << 10],
  ])('%s, the reason is told, and the process goes on', async (_, missing) => {
    const workload = await startWorkload(scope, ['memory', 48]);
    const { pid } = workload;
    const all = await save(pid, await scope.directory());
    const bytes = statSync(join(all, 'pages-1.img')).size;
    const small = await mountTmpfs(scope, `size=${bytes - missing}`);
    const errors: CriuError[] = [];
    for (const pageWriter of ['criu', 'parallel'] as const) {
      const error = await failureOf(save(pid, small, { pageWriter, leaveRunning: false }));
      expect(error.code).toBe('ERR_CRIU_FAILED');
      expect(error.message).toMatch(/No space left on device|has \d+ MiB left/);
      await goesOn(workload);
      errors.push(error);
    }
    expect(errors[1]?.stage).toBe(errors[0]?.stage);
  });

  test('because the process beside CRIU is killed, the dump fails and the process goes on', async () => {
    const workload = await startWorkload(scope, ['memory', 128]);
    const { pid } = workload;
    const path = await scope.directory();
    await save(pid, path);
    await traceSpare(
      scope,
      ['-e', 'trace=splice', '-e', 'inject=splice:delay_enter=20000'],
      async () => {
        const [criu = 0] = childrenNamed('criu');
        const imagePath = join(path, 'killed');
        const failed = failureOf(dump(pid, { imagePath }));
        const helper = await until('a process beside CRIU writes', () => {
          const hasMuch = statSync(join(imagePath, 'pages-1.img'), { throwIfNoEntry: false });
          if ((hasMuch?.size ?? 0) <= 16 << 20) return undefined;
          return readFileSync(`/proc/${criu}/task/${criu}/children`, 'utf8').split(' ')[0];
        });
        process.kill(Number(helper), 'SIGKILL');
        expect((await failed).message).toContain('Input/output error');
      },
    );
    await goesOn(workload);
    expectSameMemory(await save(pid, path), await save(pid, path, { pageWriter: 'criu' }));
  });
});
