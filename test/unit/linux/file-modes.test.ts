import { constants } from 'node:fs';
import { expect, test } from 'vitest';
import { fileModes } from '../../../lib/linux/file-modes.js';
import { requireNeeds } from '../../helpers/needs.js';

test('the modes of files are told in their order, and what is wrong with the others', async () => {
  await requireNeeds('build');
  const [null_, directory, missing, below, loop] = await fileModes([
    '/dev/null',
    '/proc/self/root/proc',
    '/proc/missing',
    '/dev/null/below',
    `/proc/self/cwd/${'x'.repeat(300)}`,
  ]);
  expect(Number(null_) & constants.S_IFMT).toBe(constants.S_IFCHR);
  expect(Number(directory) & constants.S_IFMT).toBe(constants.S_IFDIR);
  expect([missing, below, loop]).toEqual(['ENOENT', 'ENOTDIR', 'ENAMETOOLONG']);
  expect(await fileModes([])).toEqual([]);
});
