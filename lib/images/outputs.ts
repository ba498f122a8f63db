import { join } from 'node:path';
import type { Scope } from '../base/scope.js';
import { checkDirectory, type ExistingImages, type OutputDirectory } from './directory.js';

/**
 * What becomes of what an operation has written.
 *
 * - `images`: all of it stays, and takes its place under the path that was asked for.
 * - `rescue`: all of it stays where it is, for it may be all that is left of the tasks.
 * - `log`: only CRIU's log stays, to tell of the failure.
 * - `nothing`: CRIU was not asked, and nothing stays.
 */
export type Keep = 'images' | 'rescue' | 'log' | 'nothing';

/** The directories that one operation writes to: that of the images, and that of CRIU's log. */
export class Outputs {
  readonly images: OutputDirectory;
  /** Undefined when the log is written beside the images. */
  readonly work: OutputDirectory | undefined;
  readonly #logs: readonly string[];

  /** @param logs - File names: that of CRIU's log, and of what else tells of a failure. */
  constructor(
    images: OutputDirectory,
    work: OutputDirectory | undefined,
    logs: readonly [string, ...string[]],
  ) {
    this.images = images;
    this.work = work;
    this.#logs = logs;
  }

  /** Where CRIU writes its log. */
  get logDirectory(): OutputDirectory {
    return this.work ?? this.images;
  }

  /** Absolute path of CRIU's log, once the images have taken their place. */
  get logFile(): string {
    return join(this.logDirectory.path, this.#logs[0] ?? '');
  }

  /** A path of CRIU's log that is good as long as the directories are open. */
  get openLogFile(): string {
    return this.logDirectory.file(this.#logs[0] ?? '');
  }

  /** @throws CriuError `ERR_CRIU_IMAGES_DIR` when images cannot take their place. */
  async settle(keep: Keep): Promise<void> {
    if (keep === 'rescue') return;
    if (keep === 'images') {
      await this.images.keep();
      return;
    }
    const logs = keep === 'log' ? this.#logs : [];
    // What cannot be removed is no reason to hide why it was to be.
    await Promise.allSettled([this.images.discard(logs), this.work?.discard(logs)]);
  }
}

/** What decides on the directories of an operation. */
interface OutputSettings {
  imagePath: string;
  workPath?: string | undefined;
  /** What becomes of images that are there already, as for {@link checkDirectory}. */
  existing: ExistingImages | undefined;
  /** As for {@link Outputs}. */
  logs: readonly [string, ...string[]];
  /** Bounds each step in time. */
  bound?: Bound;
}

/** Waits for a step; `undo` gets the value of one that comes when nobody waits for it any more. */
export type Bound = <T>(step: Promise<T>, undo?: (late: T) => unknown) => Promise<T>;

/**
 * Opens the directories that an operation writes to, making them if need be. They are closed with
 * the scope. Both are looked at before either is touched, and after a failure neither is left
 * behind.
 *
 * @throws RangeError, CriuError as {@link checkDirectory} does.
 */
export async function openOutputs(scope: Scope, settings: OutputSettings): Promise<Outputs> {
  const { imagePath, workPath, existing, logs, bound = (step) => step } = settings;
  const checkedImages = await bound(checkDirectory('imagePath', imagePath, existing, logs));
  const checkedWork =
    workPath === undefined
      ? undefined
      : await bound(checkDirectory('workPath', workPath, 'reuse', logs));
  const images = scope.use(await bound(checkedImages.open(), removeAndClose));
  if (checkedWork === undefined) return new Outputs(images, undefined, logs);
  try {
    const work = scope.use(await bound(checkedWork.open(), removeAndClose));
    return new Outputs(images, work, logs);
  } catch (error) {
    await new Outputs(images, undefined, logs).settle('nothing');
    throw error;
  }
}

/** Undoes the opening of a directory that nobody waits for any more. */
export async function removeAndClose(directory: OutputDirectory): Promise<void> {
  await directory.discard([]).finally(() => directory.close());
}
