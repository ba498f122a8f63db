import { resolve } from 'node:path';
import { Writable } from 'node:stream';
import { withDeadline } from '../base/deadline.js';
import { invalidArgType, invalidArgValue, unknownOption } from '../base/errors.js';
import { late } from '../base/late.js';
import { requireRoot } from '../criu/require-root.js';
import { checkText } from '../options/text.js';
import { validateOptions } from '../options/validate.js';
import type { CheckedExport, ExportOptions, ExportResult } from './export-options.js';

const exporting = late(() => import('./run-export.js'));

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
  return await withDeadline(operation, checked, async (deadline) => {
    const { exportImages } = await exporting();
    const warnings = await exportImages(checked, deadline);
    const archive = typeof checked.to === 'string' ? checked.to : '';
    return { archive, warnings, durationMs: performance.now() - start };
  });
}

function check(imagePath: unknown, to: unknown, options: unknown): CheckedExport {
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
