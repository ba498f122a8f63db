import { closeSync, constants } from 'node:fs';
import { mkdtemp, readdir, rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { openFd, writeFile } from '../base/files.js';
import type { Scope } from '../base/scope.js';
import type { OutputDirectory } from './directory.js';

/**
 * A directory that shows the images of another one with some of them changed. It lies in that, and its
 * other images are links, so that only what changes takes room. It is removed with the scope.
 *
 * @param changed - The content of images, by their names.
 * @returns an open descriptor, which is closed with the scope.
 */
export async function viewOf(
  images: OutputDirectory,
  changed: ReadonlyMap<string, Uint8Array>,
  scope: Scope,
): Promise<number> {
  const names = await readdir(images.file(''));
  const path = await mkdtemp(images.file('.clone-'));
  scope.defer(() => rm(path, { recursive: true, force: true }));
  for (const name of names) {
    // What begins with a dot is of other clones.
    if (!changed.has(name) && !name.startsWith('.')) await symlink(`../${name}`, join(path, name));
  }
  for (const [name, content] of changed) {
    await writeFile(join(path, name), content, { mode: 0o600, flag: 'wx' });
  }
  const fd = await openFd(path, constants.O_RDONLY | constants.O_DIRECTORY);
  scope.defer(() => closeSync(fd));
  return fd;
}
