import { existsSync, readdirSync } from 'node:fs';
import { mkdir, rename, rm, symlink, truncate } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { checkpoint, dump, restore } from '../../helpers/api.js';
import { requireNeeds } from '../../helpers/needs.js';
import { failureOf } from '../../helpers/rejection.js';
import { useScope } from '../../helpers/scope.js';
import { isRunning } from '../../helpers/system/freezer.js';
import { isAlive, startWorkload, tracerOf } from '../../helpers/system/process.js';
import { startContainer } from '../../helpers/workloads/container.js';

const scope = useScope();
beforeAll(() => requireNeeds('root', 'criu', 'libcriu', 'build', 'runc', 'busybox', 'gcc'));

/** What may become of complete images at the last moment at which nothing is lost. */
const losses: [string, (path: string) => Promise<unknown>][] = [
  ['are removed with their directory', (path) => rm(path, { recursive: true })],
  ['lose their inventory', (path) => rm(join(path, 'inventory.img'))],
  ['have an inventory that is empty', (path) => truncate(join(path, 'inventory.img'))],
  [
    'have a directory as their inventory',
    async (path) => {
      await rm(join(path, 'inventory.img'));
      await mkdir(join(path, 'inventory.img'));
    },
  ],
  [
    'have a link to another inventory',
    async (path) => {
      await rename(join(path, 'inventory.img'), `${path}-inventory.img`);
      await symlink(`${path}-inventory.img`, join(path, 'inventory.img'));
    },
  ],
  [
    'are moved out of their directory',
    async (path) => {
      await mkdir(`${path}-moved`);
      for (const name of readdirSync(path)) {
        await rename(join(path, name), join(`${path}-moved`, name));
      }
    },
  ],
];

describe.each(losses)('images that %s at postDump', (_what, lose) => {
  test('end no process', async () => {
    const { pid } = await startWorkload(scope, ['idle']);
    const imagePath = join(await scope.directory(), 'images');
    const hooks = { postDump: () => lose(imagePath) };
    const error = await failureOf(dump(pid, { imagePath, hooks }));
    expect(error).toMatchObject({ code: 'ERR_CRIU_IMAGES_DIR', stage: 'postDump' });
    expect(error.message).toContain('inventory.img');
    expect(isRunning(pid)).toBe(true);
    expect(tracerOf(pid)).toBeUndefined();
  });
});

test('images that are removed at postDump end no container, which goes on thawed', async () => {
  const container = await startContainer(scope);
  const { pid, stateRoot } = container;
  const imagePath = container.path('images');
  const hooks = { postDump: () => rm(imagePath, { recursive: true }) };
  const error = await failureOf(checkpoint(container.id, { stateRoot, imagePath, hooks }));
  expect(error).toMatchObject({ code: 'ERR_CRIU_IMAGES_DIR', stage: 'postDump' });
  expect(container.freezer).toBe('THAWED');
  expect(await container.status()).toBe('running');
  await container.countsOn();
  // The next one is not hindered.
  await checkpoint(container.id, { stateRoot, imagePath });
  expect(isAlive(pid)).toBe(false);
});

describe('an images directory that is moved at postDump', () => {
  const warned = (path: string): string[] => [expect.stringContaining(`in ${path}`) as string];

  test('is named where it is, and has all that is needed', async () => {
    const { pid } = await startWorkload(scope, ['idle']);
    const imagePath = join(await scope.directory(), 'images');
    const moved = `${imagePath}-moved`;
    const hooks = { postDump: () => rename(imagePath, moved) };
    const { warnings } = await dump(pid, { imagePath, hooks });
    expect(warnings).toEqual(warned(moved));
    expect(isAlive(pid)).toBe(false);
    await restore(moved);
    expect(isAlive(pid)).toBe(true);
    process.kill(pid, 'SIGKILL');
  });

  test('is named although another one has its place', async () => {
    const { pid } = await startWorkload(scope, ['idle']);
    const imagePath = join(await scope.directory(), 'images');
    const hooks = {
      postDump: async () => {
        await rename(imagePath, `${imagePath}-moved`);
        await mkdir(imagePath);
      },
    };
    const { warnings } = await dump(pid, { imagePath, leaveRunning: true, hooks });
    expect(warnings).toEqual(warned(`${imagePath}-moved`));
  });

  test('is not worth a word where a link leads to it', async () => {
    const { pid } = await startWorkload(scope, ['idle']);
    const imagePath = join(await scope.directory(), 'images');
    const hooks = {
      postDump: async () => {
        await rename(imagePath, `${imagePath}-moved`);
        await symlink(`${imagePath}-moved`, imagePath);
      },
    };
    const { warnings } = await dump(pid, { imagePath, leaveRunning: true, hooks });
    expect(warnings).toEqual([]);
  });

  test('cannot replace another one, and is named where it is', async () => {
    const { pid } = await startWorkload(scope, ['idle']);
    const imagePath = join(await scope.directory(), 'images');
    await dump(pid, { imagePath, leaveRunning: true });
    const moved = `${imagePath}-moved`;
    const hooks = {
      postDump: async () => {
        const fresh = readdirSync(dirname(imagePath)).find((name) => name.includes('.new.'));
        await rename(join(dirname(imagePath), fresh ?? ''), moved);
      },
    };
    const error = await failureOf(dump(pid, { imagePath, existing: 'replace', hooks }));
    expect(error.code).toBe('ERR_CRIU_IMAGES_DIR');
    expect(error.message).toContain(`they are in ${moved}`);
    expect(existsSync(join(moved, 'inventory.img'))).toBe(true);
  });
});
