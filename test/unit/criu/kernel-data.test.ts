import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { kernelDataDirectory, makeKernelDataDirectory } from '../../../lib/criu/kernel-data.js';
import { readProgramFile } from '../../../lib/criu/program-file.js';

/** A directory that there is not yet, below another one. */
async function directoryBelow(base: string): Promise<string> {
  const root = await mkdtemp(join(base, 'libcriu-kernel-data-'));
  onTestFinished(() => rm(root, { recursive: true, force: true }));
  return join(root, 'run/criu');
}

const modeOf = (path: string): Promise<number | undefined> =>
  stat(path).then(
    ({ mode }) => mode & 0o777,
    () => undefined,
  );

test('the directory of the kernel data is made on a tmpfs, for root alone', async () => {
  const directory = await directoryBelow('/dev/shm');
  await makeKernelDataDirectory(directory);
  expect(await modeOf(directory)).toBe(0o700);
  await makeKernelDataDirectory(directory);
  expect(await modeOf(directory)).toBe(0o700);
});

test('nothing is made where something is in the way', async () => {
  const directory = await directoryBelow('/dev/shm');
  await writeFile(dirname(directory), 'a file');
  await makeKernelDataDirectory(directory);
  expect(await modeOf(directory)).toBeUndefined();
});

test('nothing is made on what is no tmpfs', async () => {
  // CRIU keeps nothing there.
  await makeKernelDataDirectory('/proc/libcriu');
  expect(await modeOf('/proc/libcriu')).toBeUndefined();
});

test.each([
  ['\0/run/criu/criu.kdat\0', '/run/criu'],
  ['a\0b\0/x y/criu.kdat\0c', '/x y'],
  ['/run/criu/criu.kdat', undefined],
  ['', undefined],
])('a program with %j keeps its data in %s', (text, directory) => {
  expect(kernelDataDirectory(Buffer.from(text))).toBe(directory);
});

describe('the file of a program', () => {
  const read = async (content: string | Buffer): Promise<unknown> => {
    const file = join(await mkdtemp(join(tmpdir(), 'libcriu-program-')), 'criu');
    onTestFinished(() => rm(dirname(file), { recursive: true, force: true }));
    await writeFile(file, content);
    return await readProgramFile(file);
  };

  test.each([
    ['nothing', '', undefined, false],
    ['a directory', 'a\0/run/criu/criu.kdat\0b', '/run/criu', false],
    ['nftables', 'a\0libnftables.so.1\0b', undefined, true],
    ['both', '\0/x/criu.kdat\0libnftables.so.1\0', '/x', true],
  ])('tells of %s', async (_name, content, kernelDataDirectory, linksNftables) => {
    expect(await read(content)).toEqual({ kernelDataDirectory, linksNftables });
  });

  test('tells the same wherever its pieces end', async () => {
    const path = `/${'p'.repeat(4000)}`;
    const known = Buffer.from(`\0${path}/criu.kdat\0libnftables.so.1\0`);
    for (const end of [256 * 1024, 2 * 256 * 1024]) {
      for (const before of [5, 12, 20, 32, 2000, 4020, 4040, 4400]) {
        const content = Buffer.concat([
          Buffer.alloc(end - before, 'x'),
          known,
          Buffer.alloc(9, 'x'),
        ]);
        const found = { kernelDataDirectory: path, linksNftables: true };
        expect(await read(content), `${before} bytes before ${end}`).toEqual(found);
      }
    }
  });

  test('that is gone cannot be read', async () => {
    await expect(readProgramFile('/nonexistent')).rejects.toMatchObject({ code: 'ENOENT' });
  });
});
