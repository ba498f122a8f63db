import { existsSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { Writable } from 'node:stream';
import { type Deadline, withDeadline } from '../base/deadline.js';
import {
  ContradictionError,
  CriuError,
  invalidArgType,
  invalidArgValue,
  unknownOption,
} from '../base/errors.js';
import { type Scope, withScope } from '../base/scope.js';
import { option, sentence } from '../base/sentence.js';
import { engineOf } from '../container/engines/identify.js';
import { findContainer } from '../container/find.js';
import { requireRoot } from '../criu/require-root.js';
import { openImages } from '../images/directory.js';
import { readSavedContainer } from '../images/saved-container.js';
import { realHost } from '../linux/host.js';
import { checkText } from '../options/text.js';
import type { CheckpointOptions } from '../options/types.js';
import { validateOptions } from '../options/validate.js';
import { requireContainerds } from './containerd-image.js';
import { type Metadata, makeMetadata, metadataOf, readSpec, specIn } from './metadata-of.js';
import { openFileTarget, streamTarget } from './target.js';
import { compressionOf, temporaryDirectory, writeArchive } from './write.js';

/** Options of {@link exportCheckpoint}. */
export interface ExportOptions
  extends Pick<CheckpointOptions, 'format' | 'compression' | 'existing' | 'timeoutMs' | 'signal'> {
  /**
   * Directory of the container's config.json. It is needed where the container is gone.
   *
   * @defaultValue that of the container
   */
  bundle?: string | undefined;
  /**
   * Name that the container has in the archive.
   *
   * @defaultValue the container's own, or its id
   */
  name?: string | undefined;
  /**
   * Image that the container was made of, as in `docker.io/library/redis:7`.
   *
   * @defaultValue what the engine's files tell
   */
  image?: string | undefined;
  /**
   * Id of that image, 64 hexadecimal digits, as `podman images --no-trunc` shows it. podman needs it.
   *
   * @defaultValue what the engine's files tell
   */
  imageId?: string | undefined;
}

/** What the export of images has to tell. */
export interface ExportResult {
  /** Absolute path of the archive; empty when it went into a stream. */
  archive: string;
  /** What is not in the archive, a sentence each. */
  warnings: readonly string[];
  /** Milliseconds from the call to its end. */
  durationMs: number;
}

const operation = 'exportCheckpoint';
const optionNames: readonly string[] = [
  'bundle',
  'name',
  'image',
  'imageId',
  'format',
  'compression',
  'existing',
  'timeoutMs',
  'signal',
];

/**
 * Makes an archive of the images of a container, from which engines restore it. What the container has
 * changed in its files is not in it: only `checkpoint` with the option `export` reads that in step with
 * the memory.
 *
 * @param imagePath - The directory of the images of a `checkpoint`.
 * @param to - A path, or a stream that is written to and ended.
 * @throws TypeError, RangeError for a bad argument, before anything is touched.
 * @throws CriuError `ERR_ARCHIVE_WRITE` when the archive cannot be written, `ERR_CRIU_IMAGES_DIR`
 * without complete images, `ERR_UNTRUSTED_PATH` for files that another user can have written.
 */
export async function exportCheckpoint(
  imagePath: string,
  to: string | Writable,
  options: ExportOptions = {},
): Promise<ExportResult> {
  const start = performance.now();
  const checked = check(imagePath, to, options);
  requireRoot(operation);
  return await withDeadline(operation, checked, (deadline) =>
    withScope(async (scope) => {
      const warnings = await write(checked, deadline, scope);
      const archive = typeof checked.to === 'string' ? checked.to : '';
      return { archive, warnings, durationMs: performance.now() - start };
    }),
  );
}

/** The arguments of an export, once they are checked: paths are absolute. */
interface Checked extends ExportOptions {
  imagePath: string;
  to: string | Writable;
}

function check(imagePath: unknown, to: unknown, options: unknown): Checked {
  const directory = resolve(checkText('imagePath', 'a path', imagePath));
  const target =
    to instanceof Writable ? to : resolve(checkText('to', 'a path or a writable stream', to));
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw invalidArgType('options', 'an object', options);
  }
  for (const name in options) {
    if (!optionNames.includes(name)) throw unknownOption(name, `an option of ${operation}`);
  }
  const { bundle, name, image, imageId, ...shared } = options as ExportOptions;
  const given = validateOptions('checkpoint', { ...shared, export: target });
  return {
    format: given.format,
    compression: given.compression,
    existing: given.existing,
    timeoutMs: given.timeoutMs,
    signal: given.signal,
    imagePath: directory,
    to: target,
    ...(bundle === undefined ? {} : { bundle: resolve(checkText('bundle', 'a path', bundle)) }),
    ...(name === undefined ? {} : { name: checkText('name', 'a name', name) }),
    ...(image === undefined ? {} : { image: checkText('image', 'the name of an image', image) }),
    ...(imageId === undefined ? {} : { imageId: checkImageId(imageId) }),
  };
}

function checkImageId(value: unknown): string {
  const expected = '64 hexadecimal digits';
  const id = checkText('imageId', expected, value).replace(/^sha256:/, '');
  if (!/^[0-9a-f]{64}$/.test(id)) throw invalidArgValue('imageId', expected, value);
  return id;
}

async function write(checked: Checked, deadline: Deadline, scope: Scope): Promise<string[]> {
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
async function describe(checked: Checked, images: string): Promise<Metadata> {
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
