import { existsSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import type { Deadline } from '../../base/deadline.js';
import { ContradictionError, invalidArgValue } from '../../base/errors.js';
import { type Scope, withScope } from '../../base/scope.js';
import { option, sentence } from '../../base/sentence.js';
import type { RestoreSources } from '../../container/restore.js';
import type { ValidatedOptions } from '../../options/validated.js';
import type { CheckpointInfo } from '../info.js';
import { type OpenedCheckpoint, openSource } from '../open-source.js';
import { bundlesRoot, makeBundle, unpackImages } from './make.js';

type Options = ValidatedOptions['restoreContainer'];

/**
 * Finds what a container is restored from: the images and the bundle that the options name, or those that
 * are made of the checkpoint in `from`.
 *
 * @param scope - Takes away what was made when it is closed.
 * @throws CriuError `ERR_CHECKPOINT_ARCHIVE`, `ERR_UNTRUSTED_PATH`
 */
export async function sourcesOf(
  id: string,
  options: Omit<Options, 'criu'>,
  deadline: Deadline,
  scope: Scope,
): Promise<RestoreSources> {
  const { from, bundle, imagePath, runtime } = options;
  if (from === undefined) {
    return { bundle: resolve(bundle ?? '.'), imagePath, runtime: runtime ?? 'runc', warnings: [] };
  }
  return await withScope(async (open) => {
    const check = (): void => deadline.check('archive');
    const checkpoint = open.use(await openSource(from, options, check));
    const sources = await sourcesIn(checkpoint, id, options, deadline, scope);
    return { ...sources, runtime: runtime ?? runtimeOf(checkpoint.info) };
  });
}

async function sourcesIn(
  checkpoint: OpenedCheckpoint,
  id: string,
  options: Omit<Options, 'criu'>,
  deadline: Deadline,
  scope: Scope,
): Promise<Omit<RestoreSources, 'runtime'>> {
  const { info } = checkpoint;
  const place = join(bundlesRoot, id);
  const { bundle = place } = options;
  if (bundle !== place && existsSync(join(bundle, 'config.json'))) {
    refuseForNothing(options);
    const imagePath = isImagesDirectory(info)
      ? info.path
      : await unpackImages(place, checkpoint, options, deadline, scope);
    return { bundle, imagePath, warnings: [] };
  }
  if (!info.hasSpec) {
    const reason = 'the checkpoint has the images alone';
    throw invalidArgValue('bundle', 'a directory with a config.json', options.bundle, reason);
  }
  const made = await makeBundle(id, bundle, checkpoint, options, deadline, scope);
  return { bundle: made.path, imagePath: join(made.path, 'checkpoint'), warnings: made.warnings };
}

/** Refuses what a bundle is made of, where it is there already. */
function refuseForNothing(options: Pick<Options, 'rootfs' | 'volumes' | 'joinNs'>): void {
  for (const name of ['rootfs', 'volumes', 'joinNs'] as const) {
    if (options[name] === undefined) continue;
    throw new ContradictionError(
      [name, 'bundle'],
      sentence`${option(name)} is for a bundle that is made, and that of ${option('bundle')} has a
        config.json`,
    );
  }
}

/** Whether CRIU can read the images where they are. */
function isImagesDirectory({ path, format }: CheckpointInfo): boolean {
  return format === 'images' && existsSync(join(path, 'inventory.img'));
}

/** The runtime that has made the images, which another one does not restore. */
function runtimeOf({ runtime = '' }: CheckpointInfo): string {
  const name = basename(runtime);
  return name === 'crun' ? name : 'runc';
}
