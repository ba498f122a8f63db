import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { CriuError } from '../base/errors.js';
import { readFile } from '../base/files.js';
import { option as named, type Sentence, sentence, toApi } from '../base/sentence.js';

/** The name of the file that says which container the images beside it are of. */
const savedContainerName = 'libcriu-container.json';

/** A container that images are of. */
export interface SavedContainer {
  id: string;
  /** The directory of its runtime's state, which is gone when the container is. */
  stateDir: string;
}

/** The file that says so: [name, content]. */
export function savedContainerFile({ id, stateDir }: SavedContainer): readonly [string, string] {
  return [savedContainerName, `${JSON.stringify({ id, stateDir })}\n`];
}

/**
 * Refuses to write over the images of another container that is no more: they are all that is left of
 * it.
 *
 * @param option - The option that names the directory, for errors.
 * @param path - The directory as it was asked for.
 * @param directory - A path that leads to it.
 * @param target - What is to be saved; undefined for a process.
 * @throws CriuError `ERR_CRIU_IMAGES_DIR`
 */
export async function refuseToLose(
  option: string,
  path: string,
  directory: string,
  target: SavedContainer | undefined,
): Promise<void> {
  const saved = await readSavedContainer(directory);
  if (saved === undefined || existsSync(saved.stateDir)) return;
  if (saved.id === target?.id && saved.stateDir === target.stateDir) return;
  throw new CriuError(
    'ERR_CRIU_IMAGES_DIR',
    sentence`The directory of ${named(option)} ${path} holds the images of container
      ${JSON.stringify(saved.id)}, which is gone; give another one, or ${named('existing', 'replace')}`,
  );
}

/** What runc and crun write beside the images of a container, and nobody beside those of a process. */
const descriptorsName = 'descriptors.json';

/**
 * Says that images are of a container, whose root file system, mounts and cgroups only its runtime makes
 * anew.
 *
 * @param directory - A path that leads to the images.
 * @returns undefined where they are of a process.
 */
export async function noteOnContainer(directory: string): Promise<Sentence | undefined> {
  if (!existsSync(join(directory, descriptorsName))) return undefined;
  const id = (await readSavedContainer(directory))?.id;
  const whose = id === undefined ? 'a container' : `container ${JSON.stringify(id)}`;
  const advice = toApi(', or restoreContainer()');
  return sentence`The images are of ${whose}, which its runtime brings back: runc restore${advice}`;
}

/** What the images in a directory are of; undefined where nothing of ours says so. */
export async function readSavedContainer(directory: string): Promise<SavedContainer | undefined> {
  try {
    const text = await readFile(join(directory, savedContainerName), 'utf8');
    const { id, stateDir } = JSON.parse(text) as Partial<SavedContainer>;
    return typeof id === 'string' && typeof stateDir === 'string' ? { id, stateDir } : undefined;
  } catch {
    return undefined;
  }
}
