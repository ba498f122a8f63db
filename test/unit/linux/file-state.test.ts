import { chmodSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import { type FileState, isUnchanged, stateOf } from '../../../lib/linux/file-state.js';
import { useScope } from '../../helpers/scope.js';
import { sleep } from '../../helpers/system/exec.js';

const scope = useScope();
/** Longer than the kernel's clock for files takes to go on. */
const settledMs = 60;
let directory = '';
let file = '';
beforeEach(async () => {
  directory = await scope.directory();
  file = join(directory, 'file');
});

async function settledState(path: string): Promise<FileState> {
  await sleep(settledMs);
  const state = await stateOf(path);
  if (state === undefined) throw new Error(`${path} has no state`);
  return state;
}

describe('the state of a file', () => {
  test('is unchanged as long as nobody writes to it', async () => {
    writeFileSync(file, 'one');
    const state = await settledState(file);
    expect(state).toMatchObject({ at: file, isLocal: true });
    expect(await isUnchanged(state)).toBe(true);
    writeFileSync(file, 'two');
    expect(await isUnchanged(state)).toBe(false);
  });

  test.each<[what: string, change: () => void]>([
    ['its mode is another one', () => chmodSync(file, 0o640)],
    ['it is removed', () => rmSync(file)],
    [
      'it is another file',
      () => {
        rmSync(file);
        writeFileSync(file, 'one');
      },
    ],
  ])('has changed when %s', async (_what, change) => {
    writeFileSync(file, 'one');
    const state = await settledState(file);
    change();
    expect(await isUnchanged(state)).toBe(false);
  });

  test('is not known right after a change, which the next one could equal', async () => {
    writeFileSync(file, 'one');
    expect(await stateOf(file)).toBeUndefined();
  });

  test('is that of the directory in which a missing one would begin', async () => {
    const state = await settledState(join(directory, 'none/of/these'));
    expect(state.at).toBe(directory);
    expect(await isUnchanged(state)).toBe(true);
    mkdirSync(join(directory, 'none'));
    expect(await isUnchanged(state)).toBe(false);
  });
});
