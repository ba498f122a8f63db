import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { Scope } from '../../../lib/base/scope.js';
import { type Keep, openOutputs } from '../../../lib/images/outputs.js';
import { useScope } from '../../helpers/scope.js';

const cleanup = useScope();
const logs = ['dump.log', 'output.log'] as const;

/** New directories of an operation that has written into both. */
async function written({ work = false } = {}) {
  const root = await cleanup.directory();
  const imagePath = join(root, 'parent/images');
  const workPath = work ? join(root, 'work') : undefined;
  const scope = new Scope();
  cleanup.defer(() => scope.close());
  const outputs = await openOutputs(scope, { imagePath, workPath, existing: undefined, logs });
  await outputs.images.write('inventory.img', '');
  for (const name of logs) await writeFile(outputs.logDirectory.file(name), '');
  return { root, imagePath, workPath, scope, outputs };
}

describe('Outputs', () => {
  test('tells where the log is, with and without a work directory', async () => {
    const beside = await written();
    expect(beside.outputs.logFile).toBe(join(beside.imagePath, 'dump.log'));
    expect(beside.outputs.logDirectory).toBe(beside.outputs.images);
    const apart = await written({ work: true });
    expect(apart.outputs.logFile).toBe(join(apart.root, 'work/dump.log'));
    expect(apart.outputs.openLogFile).toMatch(/^\/proc\/self\/fd\/\d+\/dump\.log$/);
  });

  test.each<[Keep, string[]]>([
    ['images', ['dump.log', 'inventory.img', 'output.log']],
    ['rescue', ['dump.log', 'inventory.img', 'output.log']],
    ['log', ['dump.log', 'output.log']],
  ])('keeps %s', async (keep, left) => {
    const { outputs, imagePath } = await written();
    await outputs.settle(keep);
    expect((await readdir(imagePath)).sort()).toEqual(left);
  });

  test('removes what it has made when nothing is kept', async () => {
    const { outputs, root } = await written({ work: true });
    await outputs.settle('nothing');
    expect(await readdir(root)).toEqual([]);
  });

  test('keeps a log that is apart from the images', async () => {
    const { outputs, root } = await written({ work: true });
    await outputs.settle('log');
    expect(await readdir(root)).toEqual(['work']);
    expect((await readdir(join(root, 'work'))).sort()).toEqual(['dump.log', 'output.log']);
  });
});

describe('openOutputs', () => {
  test('closes the directories with the scope', async () => {
    const { scope, outputs, imagePath } = await written();
    await scope.close();
    expect(outputs.openLogFile).toBe(join(imagePath, 'dump.log'));
  });

  test('touches nothing when the work directory will not do', async () => {
    const root = await cleanup.directory();
    await writeFile(join(root, 'work'), '');
    const settings = {
      imagePath: join(root, 'images'),
      workPath: join(root, 'work'),
      existing: undefined,
      logs,
    };
    await expect(openOutputs(new Scope(), settings)).rejects.toMatchObject({
      code: 'ERR_INVALID_ARG_VALUE',
    });
    expect(await readdir(root)).toEqual(['work']);
  });

  test('takes the images directory back when the work directory cannot be opened', async () => {
    const root = await cleanup.directory();
    await mkdir(join(root, 'work'));
    const scope = new Scope();
    let steps = 0;
    const opening = openOutputs(scope, {
      imagePath: join(root, 'images'),
      workPath: join(root, 'work'),
      existing: undefined,
      logs,
      // Both are checked and the first is opened before the operation is given up.
      bound: async (step, undo = () => {}) => {
        steps += 1;
        const value = await step;
        if (steps < 4) return value;
        await undo(value);
        throw new Error('given up');
      },
    });
    await expect(opening).rejects.toThrow('given up');
    expect(await readdir(root)).toEqual(['work']);
    await scope.close();
  });
});
