import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import { symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { beforeAll, describe, expect, test } from 'vitest';
import {
  checkpoint,
  type DumpOptions,
  dump,
  iterate,
  restore,
  startPageServer,
} from '../../helpers/api.js';
import { requireNeeds } from '../../helpers/needs.js';
import { optionTest } from '../../helpers/option-test.js';
import { distIndex } from '../../helpers/paths.js';
import { useScope } from '../../helpers/scope.js';
import { until } from '../../helpers/system/exec.js';
import { isAlive, startWorkload } from '../../helpers/system/process.js';
import { startContainer } from '../../helpers/workloads/container.js';

const scope = useScope();
beforeAll(() => requireNeeds('root', 'criu', 'libcriu', 'build', 'runc', 'busybox', 'gcc'));

/** A dump that has a directory until it is let go. */
async function holder(options: DumpOptions): Promise<{ letGo: () => Promise<void> }> {
  const { pid } = await startWorkload(scope, ['idle']);
  let letGo = (): void => {};
  const released = new Promise<void>((resolve) => {
    letGo = resolve;
  });
  let isHeld = false;
  const hooks = {
    postDump: () => {
      isHeld = true;
      return released;
    },
  };
  const dumping = dump(pid, { leaveRunning: true, ...options, hooks });
  dumping.catch(() => {});
  await until('the directory is held', () => isHeld);
  return {
    letGo: async () => {
      letGo();
      await dumping;
    },
  };
}

/** A Node process of its own that dumps into a directory; `lines` has what it has said. */
function dumpElsewhere(
  pid: number,
  imagePath: string,
  ...args: string[]
): ChildProcess & { lines: string[] } {
  const script = fileURLToPath(new URL('../../helpers/children/dump-into.mjs', import.meta.url));
  const child = spawn(process.execPath, [script, String(pid), imagePath, ...args], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  scope.defer(() => child.kill('SIGKILL'));
  const lines: string[] = [];
  child.stdout?.on('data', (text: Buffer) => lines.push(...text.toString().trim().split('\n')));
  return Object.assign(child, { lines });
}

describe('a directory that an operation writes to', () => {
  test.each<[string, (path: string, pid: number) => Promise<unknown>]>([
    ['another dump', (imagePath, pid) => dump(pid, { imagePath })],
    [
      'a dump that would replace it',
      (imagePath, pid) => dump(pid, { imagePath, existing: 'replace' }),
    ],
    [
      'a dump that would write beside it',
      (imagePath, pid) => dump(pid, { imagePath, existing: 'reuse' }),
    ],
    [
      'a dump whose log would go there',
      (workPath, pid) => dump(pid, { imagePath: `${workPath}-other`, workPath }),
    ],
    ['a page server', (imagePath) => startPageServer({ imagePath, address: '127.0.0.1' })],
    ['an iteration', (imagePath, pid) => iterate(pid, { imagePath }).next()],
    ['a restore', (imagePath) => restore(imagePath)],
    [
      'a dump by another name of it',
      async (path, pid) => {
        await symlink(path, `${path}-link`);
        return dump(pid, { imagePath: `${path}-link` });
      },
    ],
  ])('is refused to %s, and its process goes on', async (_what, operate) => {
    const { pid } = await startWorkload(scope, ['idle']);
    const imagePath = join(await scope.directory(), 'images');
    const { letGo } = await holder({ imagePath });
    const before = readdirSync(imagePath).sort();
    await expect(operate(imagePath, pid)).rejects.toMatchObject({ code: 'ERR_CRIU_IMAGES_DIR' });
    expect(readdirSync(imagePath).sort()).toEqual(before);
    expect(isAlive(pid)).toBe(true);
    await letGo();
    expect(existsSync(join(imagePath, 'inventory.img'))).toBe(true);
  });

  test('is refused to another thread', async () => {
    const { pid } = await startWorkload(scope, ['idle']);
    const imagePath = join(await scope.directory(), 'images');
    const { letGo } = await holder({ imagePath });
    const worker = new Worker(
      `const { parentPort, workerData: { index, pid, imagePath } } = require('node:worker_threads');
       import(index).then(({ dump }) => dump(pid, { imagePath })).then(
         () => parentPort.postMessage('resolved'),
         (error) => parentPort.postMessage(error.code));`,
      { eval: true, workerData: { index: distIndex, pid, imagePath } },
    );
    const [outcome] = (await once(worker, 'message')) as [string];
    expect(outcome).toBe('ERR_CRIU_IMAGES_DIR');
    expect(isAlive(pid)).toBe(true);
    await letGo();
  });

  test('is refused to another process, and free when its holder is killed', async () => {
    const [first, second] = [
      await startWorkload(scope, ['idle']),
      await startWorkload(scope, ['idle']),
    ];
    const imagePath = join(await scope.directory(), 'images');
    const held = dumpElsewhere(first.pid, imagePath, 'hold');
    await until('the other process holds it', () => held.lines.includes('held'));
    await expect(dump(second.pid, { imagePath })).rejects.toMatchObject({
      code: 'ERR_CRIU_IMAGES_DIR',
    });
    expect(isAlive(second.pid)).toBe(true);
    held.kill('SIGKILL');
    await once(held, 'exit');
    await dump(second.pid, { imagePath, existing: 'replace', leaveRunning: true, wait: true });
    expect(existsSync(join(imagePath, `core-${second.pid}.img`))).toBe(true);
  });

  test('of 8 dumps that come at once goes to one, and the others lose no process', async () => {
    const imagePath = join(await scope.directory(), 'images');
    const workloads = await Promise.all(
      Array.from({ length: 8 }, () => startWorkload(scope, ['idle'])),
    );
    const outcomes = await Promise.allSettled(workloads.map(({ pid }) => dump(pid, { imagePath })));
    const [saved, ...more] = workloads.filter(
      (_one, index) => outcomes[index]?.status === 'fulfilled',
    );
    expect(more).toEqual([]);
    expect(existsSync(join(imagePath, `core-${saved?.pid}.img`))).toBe(true);
    for (const { pid } of workloads) if (pid !== saved?.pid) expect(isAlive(pid)).toBe(true);
  });

  optionTest(['wait'], 'is waited for within timeoutMs', async () => {
    const { pid } = await startWorkload(scope, ['idle']);
    const imagePath = join(await scope.directory(), 'images');
    const { letGo } = await holder({ imagePath });
    await expect(
      dump(pid, { imagePath, existing: 'replace', wait: true, timeoutMs: 200 }),
    ).rejects.toMatchObject({ code: 'ERR_CRIU_TIMEOUT' });
    const waiting = dump(pid, { imagePath, existing: 'replace', wait: true, leaveRunning: true });
    await letGo();
    await waiting;
    expect(existsSync(join(imagePath, `core-${pid}.img`))).toBe(true);
  });

  test('may have the log as well, also above the images, as runc takes it', async () => {
    const directory = await scope.directory();
    for (const [images, work] of [
      ['one', 'one'],
      ['two/images', 'two'],
    ] as const) {
      const { pid } = await startWorkload(scope, ['idle']);
      const [imagePath, workPath] = [join(directory, images), join(directory, work)];
      const { logFile } = await dump(pid, { imagePath, workPath, leaveRunning: true });
      expect(logFile).toBe(join(workPath, 'dump.log'));
      expect(existsSync(logFile)).toBe(true);
    }
  });
});

test('a container that is being checkpointed is refused to another checkpoint', async () => {
  const container = await startContainer(scope, { args: ['/workload', '-', 'idle'] });
  const options = { stateRoot: container.stateRoot, leaveRunning: true };
  let letGo = (): void => {};
  const released = new Promise<void>((resolve) => {
    letGo = resolve;
  });
  let isHeld = false;
  const first = checkpoint(container.id, {
    ...options,
    imagePath: container.path('first'),
    hooks: {
      postDump: () => {
        isHeld = true;
        return released;
      },
    },
  });
  first.catch(() => {});
  await until('the container is held', () => isHeld);
  const second = { ...options, imagePath: container.path('second') };
  await expect(checkpoint(container.id, second)).rejects.toMatchObject({
    code: 'ERR_CONTAINER_BUSY',
  });
  expect(existsSync(second.imagePath)).toBe(false);
  const waiting = checkpoint(container.id, { ...second, wait: true });
  letGo();
  await Promise.all([first, waiting]);
});

test('a lock that another user takes on the files of its cgroup does not hold a container up', async () => {
  const container = await startContainer(scope, { args: ['/workload', '-', 'idle'] });
  const files = [container.freezerPath, join(container.freezerPath, 'cgroup.procs')];
  const nobody = 65_534;
  for (const file of files) {
    const locker = spawn('flock', ['--no-fork', file, 'sh', '-c', 'echo locked; exec sleep 600'], {
      uid: nobody,
      gid: nobody,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    scope.defer(() => locker.kill('SIGKILL'));
    await once(locker.stdout, 'data');
  }
  const { stateRoot } = container;
  const options = { stateRoot, leaveRunning: true, freezer: 'cgroup' } as const;
  await checkpoint(container.id, { ...options, imagePath: container.path('images') });
  expect(container.freezer).toBe('THAWED');
});

test('the images of a container that is gone are not written over by another one', async () => {
  const [first, second] = [
    await startContainer(scope, { args: ['/workload', '-', 'idle'] }),
    await startContainer(scope, { args: ['/workload', '-', 'idle'] }),
  ];
  const imagePath = join(await scope.directory(), 'images');
  const options = { imagePath, existing: 'reuse' } as const;
  await checkpoint(first.id, { ...options, stateRoot: first.stateRoot });
  const other = { ...options, stateRoot: second.stateRoot };
  await expect(checkpoint(second.id, other)).rejects.toMatchObject({
    code: 'ERR_CRIU_IMAGES_DIR',
    message: expect.stringContaining(JSON.stringify(first.id)) as string,
  });
  // Once it has been brought back, the images are not all that is left of it.
  await first.restore(imagePath);
  await checkpoint(second.id, { ...other, leaveRunning: true });
});
