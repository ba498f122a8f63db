import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import {
  type CriuError,
  checkpoint,
  dump,
  type LoggedPromise,
  type LogRecord,
  preDump,
  restore,
  restoreContainer,
} from '../../helpers/api.js';
import { dumpAway } from '../../helpers/criu/restored.js';
import { requireNeeds } from '../../helpers/needs.js';
import { projectRoot } from '../../helpers/paths.js';
import { failureOf } from '../../helpers/rejection.js';
import { useScope } from '../../helpers/scope.js';
import { run } from '../../helpers/system/exec.js';
import { assertNoLeak, settledHoldings } from '../../helpers/system/leaks.js';
import { goesOn, startWorkload } from '../../helpers/system/process.js';
import { startContainer } from '../../helpers/workloads/container.js';

const scope = useScope();
beforeAll(() => requireNeeds('root', 'criu', 'libcriu', 'build', 'runc', 'busybox', 'gcc'));

const options = async (more = {}) => ({
  imagePath: join(await scope.directory(), 'images'),
  leaveRunning: true,
  ...more,
});

async function recordsOf({ log }: LoggedPromise<unknown>): Promise<LogRecord[]> {
  const records: LogRecord[] = [];
  for await (const record of log) records.push(record);
  return records;
}

/** What holds of every log at the default level. */
function expectWhole(records: readonly LogRecord[], last: string): void {
  const times = records.flatMap(({ timeMs = [] }) => timeMs);
  expect(times.length).toBeGreaterThan(50);
  expect(times[0]).toBe(0);
  // After a restore CRIU notifies once more.
  const messages = records.slice(-5).map(({ message }) => message);
  expect(messages.some((message) => message.startsWith(last))).toBe(true);
  for (const { message, timeMs } of records) {
    expect(message).not.toMatch(/^\(\d/);
    if (timeMs !== undefined) expect(timeMs).toBeGreaterThanOrEqual(0);
  }
}

describe('the log is read while CRIU writes it', () => {
  test('of the dump of a process', async () => {
    const { pid } = await startWorkload(scope, ['idle']);
    let reach = (): void => {};
    const isRead = new Promise<void>((done) => {
      reach = done;
    });
    // CRIU waits until a record has been read.
    const dumping = dump(pid, await options({ hooks: { postDump: () => isRead } }));
    const records: LogRecord[] = [];
    for await (const record of dumping.log) {
      records.push(record);
      if (record.message.startsWith('Dumping task (pid:')) reach();
    }
    expectWhole(records, 'Dumping finished successfully');
    const { logFile } = await dumping;
    expect(existsSync(logFile)).toBe(true);
  });

  test('of the checkpoint of a container that ends', async () => {
    const container = await startContainer(scope);
    const { stateRoot } = container;
    const saving = checkpoint(container.id, { stateRoot, imagePath: container.path('images') });
    expectWhole(await recordsOf(saving), 'Dumping finished successfully');
    await saving;
  });

  test('of a pre-dump, or of the reason why there is none', async () => {
    const { pid } = await startWorkload(scope, ['idle']);
    const saving = preDump(pid, await options({ leaveRunning: undefined }));
    const records = recordsOf(saving);
    const [log, result] = await Promise.allSettled([records, saving]);
    expect(log.status).toBe(result.status);
  });

  test('of a restore', async () => {
    const imagePath = await dumpAway(scope, await startWorkload(scope, ['idle']));
    const restoring = restore(imagePath, { restoreSibling: true });
    const records = await recordsOf(restoring);
    const { pid, exited } = await restoring;
    process.kill(pid, 'SIGKILL');
    await exited;
    expectWhole(records, 'Restore finished successfully');
  });

  test('of the restore of a container', async () => {
    const container = await startContainer(scope);
    const { id, stateRoot, bundle } = container;
    const imagePath = container.path('images');
    await checkpoint(id, { stateRoot, imagePath });
    const restoring = restoreContainer(id, { stateRoot, bundle, imagePath });
    const records = await recordsOf(restoring);
    await restoring;
    expectWhole(records, 'Restore finished successfully');
  });

  test('in images that take the place of others, and in an archive', async () => {
    const container = await startContainer(scope);
    const settings = { stateRoot: container.stateRoot, leaveRunning: true } as const;
    const imagePath = container.path('images');
    await checkpoint(container.id, { ...settings, imagePath });
    for (const more of [
      { imagePath, existing: 'replace' },
      { imagePath, existing: 'reuse' },
      { export: container.path('archive.tar') },
    ] as const) {
      const saving = checkpoint(container.id, { ...settings, ...more });
      expectWhole(await recordsOf(saving), 'Dumping finished successfully');
      await saving;
    }
  });

  test('by who asks for it when the dump is over', async () => {
    const { pid } = await startWorkload(scope, ['idle']);
    const dumping = dump(pid, await options());
    await dumping;
    expectWhole(await recordsOf(dumping), 'Dumping finished successfully');
  });
});

describe('the end of an operation that fails is thrown behind the records', () => {
  const veto = new Error('not now');
  const hooks = {
    postDump: () => {
      throw veto;
    },
  };

  test.each([
    ['where the log stays', {}],
    ['where all of it is removed', { existing: 'replace' }],
  ])('%s', async (_where, more) => {
    const { pid } = await startWorkload(scope, ['idle']);
    const given = await options(more);
    if ('existing' in given) await dump(pid, { imagePath: given.imagePath, leaveRunning: true });
    const dumping = dump(pid, { ...given, hooks });
    const records: LogRecord[] = [];
    const error = await failureOf(
      (async () => {
        for await (const record of dumping.log) records.push(record);
      })(),
    );
    expect(error.code).toBe('ERR_CRIU_VETOED');
    await expect(dumping).rejects.toBe(error);
    const errors = records.filter(({ level }) => level === 'error');
    expect(errors.at(-1)).toMatchObject({ message: 'Dumping FAILED.' });
    expect(errors.at(-1)?.source).toMatch(/^criu\/cr-dump\.c:\d+$/);
    await goesOn({ pid });
  });

  test('where CRIU was never asked', async () => {
    const dumping = dump(2 ** 22, await options());
    await expect(recordsOf(dumping)).rejects.toMatchObject({ code: 'ERR_PROCESS_NOT_FOUND' });
    await expect(dumping).rejects.toMatchObject({ code: 'ERR_PROCESS_NOT_FOUND' });
  });

  test('when it is given up', async () => {
    const { pid } = await startWorkload(scope, ['idle']);
    const controller = new AbortController();
    const { signal } = controller;
    const never = { queryExtFiles: () => new Promise<undefined>(() => {}) };
    const dumping = dump(pid, await options({ signal, hooks: never }));
    const seen: LogRecord[] = [];
    const reading = (async () => {
      for await (const record of dumping.log) {
        seen.push(record);
        if (record.message === 'Running pre-dump scripts') controller.abort();
      }
    })();
    await expect(reading).rejects.toMatchObject({ name: 'AbortError' });
    await expect(dumping).rejects.toMatchObject({ name: 'AbortError' });
    expect(seen.at(-1)?.message).toBe('Dumping FAILED.');
    await goesOn({ pid });
  });
});

describe('nothing is left open', () => {
  test('by a reader who leaves early, or never begins', async () => {
    const { pid } = await startWorkload(scope, ['idle']);
    await dump(pid, await options());
    const held = await settledHoldings([pid]);
    const left = dump(pid, await options());
    for await (const { level } of left.log) {
      expect(level).not.toBe('error');
      break;
    }
    await left;
    const unread = dump(pid, await options());
    unread.log[Symbol.asyncIterator]();
    await unread;
    await assertNoLeak(held, [pid]);
  });

  test('by a worker thread that ends in the middle', async () => {
    const { pid } = await startWorkload(scope, ['idle']);
    const program = `
      import { readdirSync, readlinkSync } from 'node:fs';
      import { Worker } from 'node:worker_threads';
      const code = \`
        import { parentPort } from 'node:worker_threads';
        import { dump } from 'file://${projectRoot}/dist/index.js';
        const dumping = dump(${pid}, {
          imagePath: '${(await options()).imagePath}',
          leaveRunning: true,
          hooks: { postDump: () => new Promise(() => {}) },
        });
        dumping.catch(() => {});
        for await (const { message } of dumping.log) parentPort.postMessage(message);\`;
      const worker = new Worker(new URL('data:text/javascript,' + encodeURIComponent(code)));
      await new Promise((resolve) => worker.on('message', (message) => {
        if (message === 'Running post-dump scripts') resolve();
      }));
      console.log(await worker.terminate());
      const open = readdirSync('/proc/self/fd').map((fd) => {
        try { return readlinkSync('/proc/self/fd/' + fd); } catch { return ''; }
      });
      console.log(open.filter((path) => path.includes('dump.log')).length);`;
    const { stdout } = await run(process.execPath, ['--input-type=module', '-e', program]);
    expect(stdout).toBe('1\n0\n');
    await goesOn({ pid });
  });
});

test('the error of a dump whose log nobody reads to its end is told by its promise', async () => {
  const { pid } = await startWorkload(scope, ['idle']);
  const fails = { preDump: () => Promise.reject(new Error('not now')) };
  const dumping = dump(pid, await options({ hooks: fails }));
  for await (const _ of dumping.log) break;
  const error: CriuError = await failureOf(dumping);
  expect(error.code).toBe('ERR_CRIU_VETOED');
});
