import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { kernelDataDirectory, makeKernelDataDirectory } from '../../../lib/criu/kernel-data.js';

/** A directory below another one, and a program that names it. */
async function programBelow(base: string): Promise<{ program: string; directory: string }> {
  const root = await mkdtemp(join(base, 'libcriu-kernel-data-'));
  onTestFinished(() => rm(root, { recursive: true, force: true }));
  const directory = join(root, 'run/criu');
  const program = join(root, 'criu');
  await writeFile(program, `code\0${directory}/criu.kdat\0more`);
  return { program, directory };
}

const modeOf = (path: string): Promise<number | undefined> =>
  stat(path).then(
    ({ mode }) => mode & 0o777,
    () => undefined,
  );

test('the directory of the kernel data is made on a tmpfs, for root alone', async () => {
  const { program, directory } = await programBelow('/dev/shm');
  await makeKernelDataDirectory(program);
  expect(await modeOf(directory)).toBe(0o700);
  await makeKernelDataDirectory(program);
  expect(await modeOf(directory)).toBe(0o700);
});

test('nothing is made of a program that cannot be read, names none, or is in the way', async () => {
  const { program, directory } = await programBelow('/dev/shm');
  await makeKernelDataDirectory(`${program}-gone`);
  await writeFile(program, 'code');
  await makeKernelDataDirectory(program);
  expect(await modeOf(directory)).toBeUndefined();
  await writeFile(program, `\0${program}/criu.kdat\0`);
  await makeKernelDataDirectory(program);
});

test('nothing is made on what is no tmpfs', async () => {
  const { program, directory } = await programBelow('/dev/shm');
  // CRIU keeps nothing there.
  await writeFile(program, '\0/proc/libcriu/criu.kdat\0');
  await makeKernelDataDirectory(program);
  expect(await modeOf('/proc/libcriu')).toBeUndefined();
  expect(await modeOf(directory)).toBeUndefined();
});

test.each([
  ['\0/run/criu/criu.kdat\0', '/run/criu'],
  ['a\0b\0/x y/criu.kdat\0c', '/x y'],
  ['/run/criu/criu.kdat', undefined],
  ['', undefined],
])('a program with %j keeps its data in %s', (text, directory) => {
  expect(kernelDataDirectory(Buffer.from(text))).toBe(directory);
});
