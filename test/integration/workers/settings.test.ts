import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import { Criu, type DumpOptions, type DumpResult, dump } from '../../helpers/api.js';
import { endSpareWorkers } from '../../helpers/criu/workers.js';
import { requireNeeds } from '../../helpers/needs.js';
import { useScope } from '../../helpers/scope.js';
import { sleep, until } from '../../helpers/system/exec.js';
import { commandLine, startWorkload } from '../../helpers/system/process.js';
import { childrenNamed } from '../../helpers/workloads/heavy-container.js';

const scope = useScope();
beforeAll(() => requireNeeds('root', 'criu', 'libcriu', 'runc', 'busybox', 'gcc'));
afterEach(() => endSpareWorkers());

const cores = availableParallelism();

/** Our own `criu swrk` processes; with nothing under way they are the spares. */
function spares(): number[] {
  return childrenNamed('criu').filter((pid) => commandLine(pid).includes('\0swrk\0'));
}

/** So many for a while: no more come, and none of them is on its way out. */
async function spareCount(count: number): Promise<void> {
  await until(`there are ${count} spares, and stay`, async () => {
    const before = spares();
    await sleep(50);
    return before.length === count && isDeepStrictEqual(spares(), before);
  });
}

let number = 0;

async function dumpOne(criu: Criu, pid: number, options: DumpOptions = {}): Promise<DumpResult> {
  number += 1;
  // One that nobody has any more is garbage, and what it has kept ready ends with it.
  scope.defer(() => criu.close());
  const imagePath = join(await scope.directory(), `images-${number}`);
  return await dump(pid, { criu, leaveRunning: true, imagePath, ...options });
}

describe('the settings workers and concurrency', () => {
  test.each([
    ['workers', -1, 'ERR_INVALID_ARG_VALUE'],
    ['workers', cores + 1, 'ERR_INVALID_ARG_VALUE'],
    ['workers', 0.5, 'ERR_INVALID_ARG_VALUE'],
    ['workers', Number.NaN, 'ERR_INVALID_ARG_VALUE'],
    ['workers', Number.POSITIVE_INFINITY, 'ERR_INVALID_ARG_VALUE'],
    ['workers', '1', 'ERR_INVALID_ARG_TYPE'],
    ['workers', null, 'ERR_INVALID_ARG_TYPE'],
    ['workers', true, 'ERR_INVALID_ARG_TYPE'],
    ['concurrency', 0, 'ERR_INVALID_ARG_VALUE'],
    ['concurrency', -1, 'ERR_INVALID_ARG_VALUE'],
    ['concurrency', 1.5, 'ERR_INVALID_ARG_VALUE'],
    ['concurrency', 1025, 'ERR_INVALID_ARG_VALUE'],
    ['concurrency', Number.NaN, 'ERR_INVALID_ARG_VALUE'],
    ['concurrency', '2', 'ERR_INVALID_ARG_TYPE'],
    ['concurrency', 2n, 'ERR_INVALID_ARG_TYPE'],
    ['concurrency', null, 'ERR_INVALID_ARG_TYPE'],
    ['service', '', 'ERR_INVALID_ARG_TYPE'],
    ['service', 7, 'ERR_INVALID_ARG_TYPE'],
  ])('%s: %s is refused with %s', (name, value, code) => {
    const make = (): unknown => new Criu({ [name]: value });
    expect(make).toThrow(expect.objectContaining({ code }) as Error);
    expect(make).toThrow(name);
  });

  test('have their default for undefined', async () => {
    const { pid } = await startWorkload(scope, ['idle']);
    await dumpOne(new Criu({ workers: undefined, concurrency: undefined } as never), pid);
    await spareCount(1);
  });
});
