import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Deadline } from '../base/deadline.js';
import { ContradictionError, CriuError, invalidArgValue } from '../base/errors.js';
import { type Scope, withScope } from '../base/scope.js';
import { option, sentence } from '../base/sentence.js';
import { engineOf } from '../container/engines/identify.js';
import { findContainer } from '../container/find.js';
import { openImages } from '../images/directory.js';
import { readSavedContainer } from '../images/saved-container.js';
import { realHost } from '../linux/host.js';
import { requireContainerds } from './containerd-image.js';
import type { CheckedExport } from './export-options.js';
import { type Metadata, makeMetadata, metadataOf, readSpec, specIn } from './metadata-of.js';
import { openFileTarget, streamTarget } from './target.js';
import { compressionOf, temporaryDirectory, writeArchive } from './write.js';

/**
 * Makes the archive.
 *
 * @returns what is not in it, a sentence each.
 */
export async function exportImages(checked: CheckedExport, deadline: Deadline): Promise<string[]> {
  return await withScope((scope) => write(checked, deadline, scope));
}

async function write(checked: CheckedExport, deadline: Deadline, scope: Scope): Promise<string[]> {
  const { to, existing } = checked;
  const file = typeof to === 'string' ? to : undefined;
  const compression = compressionOf(file, checked);
  const opened = openImages('imagePath', checked.imagePath, undefined);
  const images = scope.use(await deadline.bound('directory', opened, (late) => late.close()));
  if (existsSync(images.file('parent'))) {
    const reason = 'they need those of their parent, which no archive has';
    throw invalidArgValue('imagePath', 'images of all memory', checked.imagePath, reason);
  }
  const metadata = await deadline.bound('container', describe(checked, images.file('')));
  const target =
    typeof to === 'string'
      ? await openFileTarget('to', to, existing === 'replace' || existing === 'reuse')
      : streamTarget(to);
  scope.defer(() => target.close());
  const { format = 'tar' } = checked;
  const scratch = file === undefined ? temporaryDirectory() : dirname(file);
  const settings = { target, format, compression, scratch, signal: deadline.signal };
  try {
    const contents = { ...metadata, images: images.file(''), still: [] };
    await writeArchive(settings, contents, metadata);
  } catch (error) {
    deadline.check('directory');
    throw error;
  }
  await target.keep();
  return [
    ...metadata.warnings,
    'What the container has changed in its files is not in the archive',
  ];
}

/** Says of which container the images are: of one that is still there, or of one that has a bundle. */
async function describe(checked: CheckedExport, images: string): Promise<Metadata> {
  const { bundle, name, image, imageId, format } = checked;
  const saved = await readSavedContainer(images);
  if (bundle === undefined && saved !== undefined && existsSync(saved.stateDir)) {
    const container = await findContainer(saved.id, { root: dirname(saved.stateDir) });
    const metadata = await metadataOf(container, realHost);
    if (format === 'containerd') {
      requireContainerds(container.id, { engine: engineOf(container), ...metadata });
    }
    return metadata;
  }
  if (bundle === undefined) {
    const whose = saved === undefined ? 'the container' : `container ${JSON.stringify(saved.id)}`;
    throw new CriuError(
      'ERR_CONTAINER_NOT_FOUND',
      sentence`Cannot tell how ${whose} was made, for it is gone: give ${option('bundle')}, the
        directory of its config.json`,
    );
  }
  if (format === 'containerd' && image === undefined) {
    throw new ContradictionError(
      ['format', 'image'],
      sentence`${option('format', 'containerd')} needs ${option('image')}, of which containerd makes the
        container again`,
    );
  }
  const id = saved?.id ?? name ?? 'checkpoint';
  return makeMetadata({
    id,
    name: name ?? id,
    image,
    imageId,
    runtime: 'runc',
    created: new Date(),
    spec: await readSpec(specIn(bundle)),
  });
}
