import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { Scope } from '../../../lib/base/scope.js';
import type { ExistingImages } from '../../../lib/images/directory.js';
import { openLogDirectory, openOutputs } from '../../../lib/images/outputs.js';
import { failureOf } from '../../helpers/rejection.js';
import { useScope } from '../../helpers/scope.js';

const cleanup = useScope();
const logs = ['dump.log', 'output.log'] as const;
const fifo = (path: string): unknown => execFileSync('mkfifo', [path]);

/** Directories for images and for logs, of which one has something under a name. */
async function placeWith(
  which: 'images' | 'work',
  name: string,
  make: (path: string) => unknown,
): Promise<{ imagePath: string; workPath: string }> {
  const root = await cleanup.directory();
  const [imagePath, workPath] = [join(root, 'images'), join(root, 'work')];
  for (const path of [imagePath, workPath]) mkdirSync(path);
  make(join(root, which, name));
  return { imagePath, workPath };
}

function newScope(): Scope {
  const scope = new Scope();
  cleanup.defer(() => scope.close());
  return scope;
}

const open = (
  paths: { imagePath: string; workPath?: string },
  existing: ExistingImages = 'reuse',
): Promise<unknown> => openOutputs(newScope(), { ...paths, existing, logs });

describe('openOutputs', () => {
  test.each(['dump.log', 'output.log', 'stats-dump', 'pages-1.img', 'tmp-a', 'irmap-cache'])(
    'refuses a FIFO where the images and the log go: %s',
    async (name) => {
      const { imagePath } = await placeWith('images', name, fifo);
      const error = await failureOf(open({ imagePath }));
      expect(error).toMatchObject({ code: 'ERR_CRIU_IMAGES_DIR' });
      expect(error.message).toContain(
        `${name} in the directory of imagePath ${imagePath} is a FIFO`,
      );
      // Only CRIU's log has an option.
      expect(error.message.includes('logFile')).toBe(name === 'dump.log');
    },
  );

  test.each(['dump.log', 'stats-dump'])('refuses one where the log goes: %s', async (name) => {
    const paths = await placeWith('work', name, fifo);
    const error = await failureOf(open(paths));
    expect(error.message).toContain(`${name} in the directory of workPath ${paths.workPath} is`);
  });

  test.each([
    ['images', 'dump.log'],
    ['images', 'notes'],
    ['work', 'pages-1.img'],
    ['work', 'notes'],
  ] as const)('lets be what it does not write: %s/%s', async (which, name) => {
    const paths = await placeWith(which, name, fifo);
    await open(paths);
    expect(existsSync(join(paths.imagePath, '..', which, name))).toBe(true);
  });

  test.each([
    ['the link to the images before', 'parent', (path: string) => symlinkSync('../a', path)],
    ['them below it', 'parent', (path: string) => mkdirSync(path)],
    [
      'a link in the place of a file of ours',
      'descriptors.json',
      (path: string) => symlinkSync('../victim', path),
    ],
  ])('takes %s for no obstacle', async (_what, name, make) => {
    await open(await placeWith('images', name, make));
  });

  test('has no use for what is in a directory that it replaces', async () => {
    const { imagePath } = await placeWith('images', 'pages-1.img', fifo);
    await open({ imagePath }, 'replace');
  });
});

describe('openLogDirectory', () => {
  test.each(['imagePath', 'workPath'] as const)('names the option, %s', async (option) => {
    const { workPath: path } = await placeWith('work', 'restore.log', (at) => mkdirSync(at));
    const place = { option, path, logFile: 'restore.log', lock: {} };
    const error = await failureOf(openLogDirectory(newScope(), place));
    expect(error).toMatchObject({ code: 'ERR_CRIU_IMAGES_DIR' });
    expect(error.message).toContain(`logFile restore.log in the directory of ${option} ${path} is`);
  });

  test('gives back a directory that it refuses', async () => {
    const { workPath: path } = await placeWith('work', 'restore.log', fifo);
    const place = { option: 'workPath', path, lock: {} } as const;
    await failureOf(openLogDirectory(newScope(), { ...place, logFile: 'restore.log' }));
    // Nobody could have it alone if it was still locked.
    const images = { imagePath: path, existing: 'reuse', logs: ['other.log'] } as const;
    const { logFile } = await openOutputs(newScope(), images);
    expect(logFile).toBe(join(path, 'other.log'));
  });
});
