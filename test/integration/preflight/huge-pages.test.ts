import { readFileSync, writeFileSync } from 'node:fs';
import { beforeAll, describe, expect, test } from 'vitest';
import { explain } from '../../../lib/explain.js';
import { kernelDataDirectory } from '../../../tools/criu.mjs';
import { dumpOk } from '../../helpers/criu/attempt.js';
import { isFatal, obstacles } from '../../helpers/criu/findings.js';
import { endSpareWorkers } from '../../helpers/criu/workers.js';
import { requireNeeds } from '../../helpers/needs.js';
import { criuBinary } from '../../helpers/paths.js';
import { useScope } from '../../helpers/scope.js';
import { runOk, until } from '../../helpers/system/exec.js';
import { startSituation } from '../../helpers/workloads/situation.js';

const scope = useScope();
const setting = '/proc/sys/vm/nr_hugepages';
beforeAll(() => requireNeeds('root', 'criu', 'libcriu', 'gcc', 'build'));

/** Has so many huge pages free, or none. */
async function setFree(count: number): Promise<void> {
  const before = readFileSync(setting, 'utf8');
  scope.defer(() => writeFileSync(setting, before));
  const free = (): number =>
    Number(/^HugePages_Free:\s*(\d+)$/m.exec(readFileSync('/proc/meminfo', 'utf8'))?.[1]);
  await until(`${count} huge pages are free`, () => {
    writeFileSync(setting, String(count));
    return free() === count;
  });
}

/** What CRIU notes of huge pages it forgets with its cache, and its workers have it, too. */
async function forget(): Promise<void> {
  await endSpareWorkers();
  const directory = kernelDataDirectory(criuBinary) ?? '/run';
  await runOk('find', [directory, '-name', 'criu.kdat', '-delete']);
}

async function start(mode: string): Promise<number> {
  return (await startSituation(scope, [mode, '-'], 'ignore', 'refused')).pid;
}

describe.each(['huge-descriptor', 'huge-mapping'])('memory of huge pages: %s', (mode) => {
  test('is foreseen to be refused where none is free', async () => {
    await setFree(0);
    await forget();
    const message = await isFatal(scope, await start(mode), { code: 'huge-pages' });
    expect(message).not.toBe('');
  });

  test('is saved where one is free', async () => {
    await setFree(2);
    await forget();
    const pid = await start(mode);
    expect(obstacles(await explain(pid))).toEqual([]);
    await dumpOk(scope, pid);
  });
});

describe('the last huge page, when it is in use,', () => {
  test.each(['huge-page-in-use', 'anonymous-huge-page-in-use'])(
    'is foreseen to be refused where it is shared, whether CRIU has looked or not: %s',
    async (mode) => {
      await setFree(1);
      await forget();
      await runOk(criuBinary, ['check']);
      const pid = await start(mode);
      await isFatal(scope, pid, { code: 'huge-pages' });
      await forget();
      await isFatal(scope, pid, { code: 'huge-pages' });
    },
  );

  test('is saved where it is private and CRIU has looked before', async () => {
    await setFree(1);
    await forget();
    await runOk(criuBinary, ['check']);
    const pid = await start('private-huge-page-in-use');
    expect(obstacles(await explain(pid))).toEqual([]);
    await dumpOk(scope, pid);
    await forget();
    await isFatal(scope, pid, { code: 'huge-pages' });
  });
});
