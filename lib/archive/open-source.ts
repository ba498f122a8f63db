import { closeSync, constants } from 'node:fs';
import { join, resolve } from 'node:path';
import { type Deadline, withDeadline } from '../base/deadline.js';
import { CriuError, errnoOf, invalidArgType, invalidArgValue } from '../base/errors.js';
import { openFd } from '../base/files.js';
import { startScope } from '../base/scope.js';
import { openTrusted } from '../linux/trusted.js';
import { FileBytes } from './bytes.js';
import { engineFacts } from './directory-facts.js';
import { DirectorySource, type Parent } from './directory-source.js';
import { extract, openDestination } from './extract.js';
import { readingArchive, refuseArchive } from './fault.js';
import type { Checkpoint } from './held.js';
import { type CheckpointFormat, type CheckpointInfo, infoOf, type Surroundings } from './info.js';
import { type ArchiveLimits, Count } from './limits.js';
import { members as names } from './members.js';
import { checkpointInImage, FlatSource } from './oci-source.js';
import { checkReading } from './options.js';
import { type Scan, scan } from './scan.js';
import type { Source } from './source.js';
import { TarSource } from './tar-source.js';

/** A checkpoint for the rooms above, which unpack it to a directory of their own. */
export interface OpenedCheckpoint {
  readonly info: CheckpointInfo;
  readonly source: Source;
  /** Small files of it, by their paths. */
  readonly texts: ReadonlyMap<string, Buffer>;
  /** The absolute path of the directory with the images, without links; undefined where it is in a file. */
  readonly imagesDirectory: string | undefined;
  close(): void;
}

/** Opens a checkpoint for who may unpack it. */
export async function holdOpen(
  path: string,
  limits: ArchiveLimits,
  deadline: Deadline,
): Promise<Checkpoint> {
  const opened = await openSource(path, limits, () => deadline.check('archive'));
  let isOpen = true;
  const close = async (): Promise<void> => {
    if (isOpen) opened.close();
    isOpen = false;
  };
  return {
    info: opened.info,
    extract: async (directory, reading = {}) => {
      if (typeof directory !== 'string') throw invalidArgType('directory', 'a path', directory);
      const bounds = checkReading(reading);
      if (!isOpen) {
        throw new CriuError('ERR_CHECKPOINT_ARCHIVE', `The checkpoint ${path} has been closed`);
      }
      return await withDeadline('openCheckpoint', bounds, (deadline) =>
        extractTo(opened, directory, new Count(limits, () => deadline.check('archive'))),
      );
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

async function extractTo(
  { info, source }: OpenedCheckpoint,
  directory: string,
  count: Count,
): Promise<string> {
  const destination = await openDestination('directory', directory);
  try {
    await readingArchive(info.path, () => extract(source, info.bytes, count, destination));
    return `${destination.path}/${names.checkpoint}`;
  } catch (error) {
    await destination.discard();
    throw error;
  } finally {
    destination.close();
  }
}

/**
 * Opens a checkpoint and reads it once.
 *
 * @param check - Called now and then; it throws when the operation has been given up.
 * @param parent - What becomes of a directory's link to the images of an earlier pre-dump.
 * @throws CriuError `ERR_CHECKPOINT_ARCHIVE`, `ERR_UNTRUSTED_PATH`
 */
export async function openSource(
  path: string,
  limits: ArchiveLimits,
  check: () => void = () => {},
  parent: Parent = 'refuse',
): Promise<OpenedCheckpoint> {
  const count = (): Count => new Count(limits, check);
  return await readingArchive(path, () =>
    startScope(async (scope) => {
      const { fd, size, real, isDirectory } = await openFile(path);
      scope.defer(() => closeSync(fd));
      const source = isDirectory
        ? new DirectorySource(fd, parent)
        : new TarSource(async function* () {
            yield new FileBytes(fd, 0, size);
          });
      const found = await scan(source, count());
      const recognized = await recognize(source, found, count);
      const compression = source instanceof TarSource ? (source.compression ?? 'none') : 'none';
      const facts = isDirectory ? await engineFacts(real) : {};
      const known = { ...facts, ...recognized.known, path: resolve(path), compression };
      return {
        info: infoOf(recognized.found, known),
        source: recognized.source,
        texts: recognized.found.texts,
        imagesDirectory: isDirectory ? directoryOf(real, recognized.known.format) : undefined,
        close: () => closeSync(fd),
      };
    }),
  );
}

/** Where a directory has its images; an image of the Open Container Initiative has them in an archive. */
function directoryOf(real: string, format: CheckpointFormat): string | undefined {
  if (format === 'images') return real;
  return format === 'podman' ? join(real, names.checkpoint) : undefined;
}

/** What is opened once and used by its descriptor, whatever the path leads to later. */
async function openFile(
  path: string,
): Promise<{ fd: number; size: number; real: string; isDirectory: boolean }> {
  const report = await openTrusted('the checkpoint', path).catch((cause: unknown) => {
    const code = errnoOf(cause);
    if (code !== 'ENOENT' && code !== 'ENOTDIR') throw cause;
    throw invalidArgValue('path', 'a file or directory that exists', path);
  });
  try {
    const { stats, real } = report;
    const isDirectory = stats.isDirectory();
    if (!isDirectory && !stats.isFile()) refuseArchive('it is neither a file nor a directory');
    const fd = await openFd(`/proc/self/fd/${report.fd}`, constants.O_RDONLY);
    return { fd, size: stats.size, real, isDirectory };
  } finally {
    report.close();
  }
}

/** A checkpoint in the form of podman's archives, however it was found. */
interface Recognized {
  source: Source;
  found: Scan;
  known: Pick<Surroundings, 'format' | 'image' | 'name' | 'id'>;
}

async function recognize(source: Source, found: Scan, count: () => Count): Promise<Recognized> {
  const has = (name: string): boolean => found.sizes.has(name);
  if (has('index.json') && has('oci-layout')) return await inImage(source, found, count);
  if (has('inventory.img')) {
    const flat = new FlatSource(source);
    return { source: flat, found: await scan(flat, count()), known: { format: 'images' } };
  }
  return { source, found: requireImages(found), known: { format: 'podman' } };
}

async function inImage(source: Source, layout: Scan, count: () => Count): Promise<Recognized> {
  const { source: inner, isContainerds, image, name } = checkpointInImage(source, layout);
  const found = requireImages(await scan(inner, count()));
  const format = isContainerds ? 'containerd' : 'image';
  // To containerd the id of a container is its name.
  return { source: inner, found, known: { format, image, name, id: name } };
}

/** Refuses what is no checkpoint, or not that of one container, and says what it is. */
function requireImages(found: Scan): Scan {
  const has = (name: string): boolean => found.sizes.has(name);
  // CRIU writes the inventory last.
  if (has(`${names.checkpoint}/inventory.img`)) return found;
  if (has(`${names.checkpoint}/pstree.img`)) {
    refuseArchive('its images are not complete: it has no checkpoint/inventory.img');
  }
  if (has('pod.dump')) {
    refuseArchive('it is the checkpoint of a pod: give the archive of one of its containers');
  }
  if (has('manifest.json')) {
    refuseArchive('it is an image in the form of docker save: save it as an oci-archive');
  }
  if ([...found.sizes.keys()].some((name) => name.startsWith('pre-checkpoint/'))) {
    refuseArchive('it is a pre-checkpoint, which has no processes to restore');
  }
  return refuseArchive('it is no checkpoint: it has no checkpoint/inventory.img');
}
