import { statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { dumpAway, restoreOk } from '../helpers/criu/restored.js';
import { requireNeeds } from '../helpers/needs.js';
import { projectRoot } from '../helpers/paths.js';
import { useScope } from '../helpers/scope.js';
import { type Outcome, run, until } from '../helpers/system/exec.js';
import {
  allProcesses,
  isAlive,
  type ProcessState,
  startWorkload,
} from '../helpers/system/process.js';

const scope = useScope();
beforeAll(() => requireNeeds('root', 'criu', 'libcriu', 'build', 'gcc'));

const script = resolve(projectRoot, 'test/helpers/children/restore.mjs');

interface Images {
  imagePath: string;
  /** Of the root, and the session of all. */
  pid: number;
  /** What they write to as long as all of them run. */
  log: string;
}

async function imagesOfTree(): Promise<Images> {
  const log = join(await scope.directory(), 'log');
  const ring = await startWorkload(scope, ['ring', log, 5]);
  const images = { imagePath: await dumpAway(scope, ring), pid: ring.pid, log };
  await pidsAreFree(images);
  return images;
}

/** What restores clones, and keeps them; not the criu that this process has ready. */
function initsAndCriu(): string[] {
  return allProcesses()
    .filter(({ name, parent }) => /^criu(_init)?$/.test(name) && parent !== process.pid)
    .filter(({ pid }) => isAlive(pid))
    .map(({ name }) => name);
}

/** An init that takes its time leaves the dead there, and a restore waits a few seconds for them. */
async function pidsAreFree({ pid }: Images): Promise<void> {
  const isFree = (): boolean => allProcesses().every(({ session }) => session !== pid);
  await until('the dead are reaped', isFree, 30_000);
}

function restoreIn(images: Images, options: object): Promise<Outcome> {
  const given = JSON.stringify({ imagePath: images.imagePath, ...options });
  return run(process.execPath, [script, given]);
}

/** Those that are there and not dead, which on some machines nobody reaps. */
function tasksOf({ pid }: Images): ProcessState[] {
  return allProcesses().filter((task) => task.session === pid && isAlive(task.pid));
}

async function nothingIsLeft(images: Images): Promise<void> {
  await until('nothing of the tasks is left', () => tasksOf(images).length === 0);
}

async function allGoOn(images: Images): Promise<void> {
  const { size } = statSync(images.log);
  await until('all tasks go on', () => statSync(images.log).size > size);
  expect(tasksOf(images)).toHaveLength(5);
  process.kill(-images.pid, 'SIGKILL');
  await nothingIsLeft(images);
}

test.each(['sigkill', 'exit'])(
  '%s of the Node process in a restore before the last veto leaves nothing',
  async (how) => {
    for (const restoreSibling of [false, true]) {
      const images = await imagesOfTree();
      await restoreIn(images, { when: 'postRestore', how, restoreSibling });
      await nothingIsLeft(images);
    }
  },
);

test.each(['sigkill', 'exit'])(
  '%s of the Node process in a restore behind the last veto lets the tasks go on',
  async (how) => {
    for (const restoreSibling of [false, true]) {
      const images = await imagesOfTree();
      await restoreIn(images, { when: 'preResume', how, restoreSibling });
      await allGoOn(images);
    }
  },
);

test.each(['preRestore', 'postRestore', 'preResume'])(
  'SIGKILL of criu in a restore at %s is ERR_CRIU_DIED, and nothing is left',
  async (when) => {
    for (const restoreSibling of [false, true]) {
      const images = await imagesOfTree();
      const { stdout } = await restoreIn(images, { when, how: 'kill-criu', restoreSibling });
      expect(JSON.parse(stdout)).toMatchObject({ code: 'ERR_CRIU_DIED' });
      expect(tasksOf(images)).toEqual([]);
    }
  },
);

test('SIGKILL of criu at any moment of a restore leaves all tasks restored, or nothing', async () => {
  for (let ms = 1; ms <= 10; ms++) {
    const images = await imagesOfTree();
    const { stdout } = await restoreIn(images, { when: ms, how: 'kill-criu' });
    const { pid, code } = JSON.parse(stdout) as { pid?: number; code?: string };
    if (code === undefined) {
      expect(pid).toBe(images.pid);
      await allGoOn(images);
    } else {
      expect(code).toBe('ERR_CRIU_DIED');
      expect(tasksOf(images)).toEqual([]);
    }
  }
});

test.each(['preRestore', 'postRestore', 'preResume'])(
  'SIGKILL of the Node process in the restore of a clone at %s leaves nothing',
  async (when) => {
    const images = await imagesOfTree();
    await restoreIn(images, { when, how: 'sigkill', pidNamespace: 'new' });
    await until('nothing is left', () => initsAndCriu().length === 0);
  },
);

test('SIGKILL of criu at any moment leaves a whole clone, or nothing', async () => {
  const images = await imagesOfTree();
  for (let ms = 1; ms <= 20; ms += 2) {
    const options = { when: ms, how: 'kill-criu', pidNamespace: 'new' };
    const { stdout } = await restoreIn(images, options);
    const { pid = 0, code } = JSON.parse(stdout) as { pid?: number; code?: string };
    if (code === undefined) {
      const { size } = statSync(images.log);
      await until('the clone goes on', () => statSync(images.log).size > size);
      await until('criu has ended', () => initsAndCriu().join() === 'criu_init');
      process.kill(pid, 'SIGKILL');
    } else {
      expect(code).toBe('ERR_CRIU_DIED');
    }
    await until('nothing is left', () => initsAndCriu().length === 0);
  }
});

test('a clone goes on when the Node process ends', async () => {
  const images = await imagesOfTree();
  const { stdout } = await restoreIn(images, { pidNamespace: 'new' });
  const { pid } = JSON.parse(stdout) as { pid: number };
  const { size } = statSync(images.log);
  await until('the clone goes on', () => statSync(images.log).size > size);
  process.kill(pid, 'SIGKILL');
  await until('nothing is left', () => initsAndCriu().length === 0);
});

test('images are restored after a criu that died over them', async () => {
  const images = await imagesOfTree();
  const options = { when: 'postRestore', how: 'kill-criu', restoreSibling: true };
  await restoreIn(images, options);
  await pidsAreFree(images);
  await restoreOk(scope, images.imagePath);
  expect(tasksOf(images)).toHaveLength(5);
});
