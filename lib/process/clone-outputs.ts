import { mkdtemp, rename, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { Scope } from '../base/scope.js';
import { type OutputDirectory, openImages } from '../images/directory.js';
import { type Bound, Outputs, openLogDirectory } from '../images/outputs.js';
import { logOnly } from '../images/writing.js';
import type { LockSettings } from '../locks/lock.js';

/** The directories of a clone without `workPath`. */
interface ClonePlace {
  imagePath: string;
  logFile: string;
  lock: LockSettings;
  bound: Bound;
}

/**
 * Opens the images of a clone. Several clones are restored from them at the same time, and CRIU writes
 * its log and its statistics under fixed names: each clone has a directory for them in that of the images,
 * from where they come to their place at its end.
 */
export async function cloneOutputs(
  scope: Scope,
  { imagePath, logFile, lock, bound }: ClonePlace,
): Promise<Outputs> {
  const opened = openImages('imagePath', imagePath, logOnly(logFile), lock);
  const images = scope.use(await bound(opened, (late) => late.close()));
  const made = await bound(mkdtemp(images.file('.clone-')), (late) =>
    rm(late, { recursive: true }),
  );
  const name = basename(made);
  scope.defer(() => rm(images.file(name), { recursive: true, force: true }));
  const path = join(images.path, name);
  const work = await openLogDirectory(scope, { option: 'imagePath', path, logFile, lock, bound });
  scope.defer(() => moveTo(images, work, [logFile, 'stats-restore']));
  // Whoever looks for the log finds it where it will be.
  return new Outputs(images, { ...work, path: images.path }, [logFile]);
}

/** What is not there has not been written. */
async function moveTo(
  images: OutputDirectory,
  work: OutputDirectory,
  names: readonly string[],
): Promise<void> {
  for (const name of names) await rename(work.file(name), images.file(name)).catch(() => {});
}
