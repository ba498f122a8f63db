import { fstatSync, readlinkSync, type Stats } from 'node:fs';
import { stat } from 'node:fs/promises';
import { CriuError } from '../base/errors.js';
import type { Scope } from '../base/scope.js';
import { option as named, sentence } from '../base/sentence.js';
import type { LockSettings } from '../locks/lock.js';
import { takeNamedLock } from '../locks/named-lock.js';
import {
  type CheckedDirectory,
  checkDirectory,
  type ExistingImages,
  type OutputDirectory,
  openImages,
} from './directory.js';
import { resolveDirectory } from './place.js';
import type { SavedContainer } from './saved-container.js';
import { logOnly, type Writing } from './writing.js';

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
    const { path } = this.logDirectory;
    return `${path === '/' ? '' : path}/${this.#logs[0] ?? ''}`;
  }

  /** A path of CRIU's log that is good as long as the directories are open. */
  get openLogFile(): string {
    return this.logDirectory.file(this.#logs[0] ?? '');
  }

  /**
   * Where the images are, when the path that was asked for does not lead to them any more: somebody
   * has moved their directory, which is written to by its descriptor. To be asked when they have taken
   * their place.
   */
  async movedTo(): Promise<string | undefined> {
    const { fd, path } = this.images;
    const there = readlinkSync(`/proc/self/fd/${fd}`);
    if (there === path) return undefined;
    const atPath = await stat(path).catch(() => undefined);
    const { dev, ino } = fstatSync(fd);
    return atPath?.dev === dev && atPath.ino === ino ? undefined : there;
  }

  /** @throws CriuError `ERR_CRIU_IMAGES_DIR` when images cannot take their place. */
  async settle(keep: Keep): Promise<void> {
    if (keep === 'rescue') return;
    if (keep === 'images') {
      await this.images.keep();
      return;
    }
    const logs = this.#logs;
    const kept = keep === 'log' ? logs : [];
    // What cannot be removed is no reason to hide why it was to be.
    await Promise.allSettled([this.images.discard(kept, logs), this.work?.discard(kept, logs)]);
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
  /** The container that is to be saved; undefined for a process. */
  target?: SavedContainer | undefined;
  /** How the directories are locked. */
  lock?: LockSettings | undefined;
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
  const { logs, bound = (step) => step } = settings;
  const checked = await checkOutputs(settings, bound);
  const images = await bound(checked.images.open(), removeAndClose).catch((error: unknown) => {
    checked.work?.close();
    throw error;
  });
  scope.use(images);
  if (checked.work === undefined) return new Outputs(images, undefined, logs);
  try {
    const work = scope.use(await bound(checked.work.open(), removeAndClose));
    return new Outputs(images, work, logs);
  } catch (error) {
    await new Outputs(images, undefined, logs).settle('nothing');
    throw error;
  }
}

/** Looks at the directories. There is none for the log when that goes into the one of the images. */
async function checkOutputs(
  settings: OutputSettings,
  bound: Bound,
): Promise<{ images: CheckedDirectory; work: CheckedDirectory | undefined }> {
  const { imagePath, existing, logs, lock, target } = settings;
  const look = checkDirectory('imagePath', imagePath, { existing, logs, lock, target });
  const images = await bound(look, (late) => late.close());
  let work: CheckedDirectory | undefined;
  try {
    work = await checkWork(images, settings, bound);
    const imagesLogs = work === undefined ? logs : [];
    images.requireRegularFiles({ images: true, logs: imagesLogs, namesLog: true });
    work?.requireRegularFiles(logOnly(...logs));
    return { images, work };
  } catch (error) {
    images.close();
    work?.close();
    throw error;
  }
}

/** @returns undefined when the log goes into the directory of the images. */
async function checkWork(
  images: CheckedDirectory,
  { workPath, logs, lock }: OutputSettings,
  bound: Bound,
): Promise<CheckedDirectory | undefined> {
  if (workPath === undefined) return undefined;
  const place = await bound(resolveDirectory('workPath', workPath));
  if (images.leadsTo(place)) return undefined;
  const look = checkDirectory('workPath', workPath, { existing: 'reuse', logs, lock });
  return await bound(look, (checked) => checked.close());
}

/** Where a restore, or what serves it, writes its log. */
interface LogPlace {
  /** The option that names the directory, for errors. */
  option: 'imagePath' | 'workPath';
  path: string;
  logFile: string;
  lock: LockSettings;
  bound?: Bound;
}

/**
 * Opens the directory that a restore, or what serves it, writes its log to. Several of them may use
 * it at the same time, but for the same log.
 */
export async function openLogDirectory(
  scope: Scope,
  { option, path, logFile, lock, bound = (step) => step }: LogPlace,
): Promise<OutputDirectory> {
  const checked = await checkLogDirectory(option, path, logOnly(logFile), lock, bound);
  const work = scope.use(await bound(checked.open(), removeAndClose));
  await lockLog(scope, option, work, logFile, lock);
  return work;
}

async function checkLogDirectory(
  option: string,
  path: string,
  log: Writing,
  lock: LockSettings | undefined,
  bound: Bound,
): Promise<CheckedDirectory> {
  const settings = { existing: 'reuse', logs: log.logs, lock: { ...lock, shared: true } } as const;
  const checked = await bound(checkDirectory(option, path, settings), (late) => late.close());
  try {
    checked.requireRegularFiles(log);
    return checked;
  } catch (error) {
    checked.close();
    throw error;
  }
}

/** The directories of a restore that another program carries out. */
interface Sources {
  imagePath: string;
  /** The directory of CRIU's log; undefined for that of the images. */
  workPath: string | undefined;
  log: Writing;
  lock?: LockSettings;
}

/**
 * Looks at the directories of a restore that another program is to carry out, and leaves them to it.
 *
 * @throws RangeError, CriuError as {@link openImages} and {@link checkDirectory} do.
 */
export async function checkSources(
  { imagePath, workPath, log, lock }: Sources,
  bound: Bound,
): Promise<void> {
  const isApart = workPath !== undefined && !(await bound(leadToSame(imagePath, workPath)));
  const opened = openImages('imagePath', imagePath, isApart ? undefined : log, lock);
  (await bound(opened, (late) => late.close())).close();
  if (isApart) (await checkLogDirectory('workPath', workPath, log, lock, bound)).close();
}

/** Whoever could make that another answer, the directories are refused for when they are opened. */
async function leadToSame(one: string, other: string): Promise<boolean> {
  const look = (path: string): Promise<Stats | undefined> => stat(path).catch(() => undefined);
  const [first, second] = await Promise.all([look(one), look(other)]);
  return first !== undefined && first.dev === second?.dev && first.ino === second.ino;
}

/**
 * Takes the log of an operation, in a directory that others may be using.
 *
 * @throws CriuError `ERR_CRIU_IMAGES_DIR` when another operation writes to it.
 */
export async function lockLog(
  scope: Scope,
  option: string,
  directory: OutputDirectory,
  logFile: string,
  lock: LockSettings,
): Promise<void> {
  const { dev, ino } = fstatSync(directory.fd);
  const release = await takeNamedLock('log', `${dev}:${ino}:${logFile}`, lock);
  if (release === undefined) {
    throw new CriuError(
      'ERR_CRIU_IMAGES_DIR',
      sentence`Another operation is writing ${logFile} in the directory of ${named(option)}
        ${directory.path}; give another one, or ${named('wait', true)}`,
    );
  }
  scope.defer(release);
}

/** Undoes the opening of a directory that nobody waits for any more. */
export async function removeAndClose(directory: OutputDirectory): Promise<void> {
  await directory.discard([]).finally(() => directory.close());
}
