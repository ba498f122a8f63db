import { createReadStream, readlinkSync } from 'node:fs';
import { mkdir, readdir, realpath, rename, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { invalidArgValue } from '../base/errors.js';
import { readFile, writeFile } from '../base/files.js';
import { option, type Sentence, sentence } from '../base/sentence.js';
import { exists } from '../linux/paths.js';
import { tryReadProcessStat } from '../linux/process-stat.js';
import { innerPid, namespaceInode } from '../linux/process-tree.js';

/**
 * The file beside CRIU's images that says, when memory is tracked, whose memory it is and which save of
 * it the images have.
 */
const recordName = 'libcriu.json';

/**
 * The directory that has the latest save of each tracked process, for all users of this machine until
 * it is booted anew.
 */
const registryDirectory = '/run/libcriu/tracked';

/** What tells a process from a later one of the same number. */
interface Identity {
  pid: number;
  /** The time of its start, in clock ticks after boot. */
  startTime: number;
  /** The kernel's id of this boot. */
  boot: string;
}

/** One save of a process's memory. */
interface Save {
  process: Identity;
  /** A unique id; empty when the save failed. */
  id: string;
  /** The directory that its images were written to. */
  imagePath: string;
}

/** The options of a dump that decide on its tracking. */
interface TrackingSettings {
  imagePath: string;
  parentPath?: string | undefined;
  trackMem?: boolean | undefined;
  /** Defined when the memory is sent to a page server. */
  pageServer?: unknown;
  logLevel: number;
}

/**
 * Keeps account of the saves of a process's memory. CRIU has the kernel forget, with each save of
 * tracked memory, which pages were changed before it. A dump is right only if its parent is the latest
 * save of the same process: with any other one, or after a save that failed, pages would be taken from
 * images that do not have them as they are, and CRIU does not notice. So each save is written down, in
 * its images and in a registry.
 */
export class MemoryTracking {
  readonly #identity: Identity;
  // Most dumps track no memory, and node:crypto and node:readline are slow to load.
  readonly #id: string = process.getBuiltinModule('node:crypto').randomUUID();
  readonly #imagePath: string;
  readonly #logLevel: number;
  /** The registry's text before the save; null until the registry has been touched. */
  #before: string | undefined | null = null;

  private constructor(identity: Identity, imagePath: string, logLevel: number) {
    this.#identity = identity;
    this.#imagePath = imagePath;
    this.#logLevel = logLevel;
  }

  /**
   * Looks at the parent images, without touching anything.
   *
   * @returns undefined for an operation that does not track memory, and for a process that is gone,
   * which CRIU will say.
   * @throws RangeError `ERR_INVALID_ARG_VALUE` when they cannot be the parent.
   */
  static async of(
    pid: number,
    preDump: boolean,
    options: TrackingSettings,
  ): Promise<MemoryTracking | undefined> {
    const { parentPath, trackMem, imagePath, logLevel } = options;
    if (!preDump && trackMem !== true && parentPath === undefined) return undefined;
    const identity = await identify(pid);
    if (identity === undefined) return undefined;
    if (parentPath !== undefined) {
      // With a page server the memory is in its images, and not in those beside ours.
      const isLocal = options.pageServer === undefined;
      const reason = await unfit(await parentDirectory(imagePath, parentPath), identity, isLocal);
      if (reason !== undefined) {
        const expected = `images of the latest save of process ${pid}`;
        throw invalidArgValue('parentPath', expected, parentPath, reason);
      }
    }
    return new MemoryTracking(identity, resolve(imagePath), logLevel);
  }

  /** The name and the content of the file that goes into the images. */
  get imageFile(): readonly [string, string] {
    return [recordName, this.#text(this.#id)];
  }

  /**
   * Notes, before CRIU is asked, that no save is good: none is until CRIU has ended, and none is
   * should this process not live to see that.
   */
  async begin(): Promise<void> {
    this.#before = await readFile(registryFile(this.#identity), 'utf8').catch(() => undefined);
    await this.#register(this.#text(''));
  }

  /** Notes that this save is the latest good one. */
  async succeed(): Promise<void> {
    await this.#register(this.#text(this.#id));
    // A later save tries again when this fails.
    await forgetTheDead().catch(() => {});
  }

  /**
   * Notes, after a failure, that the former save is still good, if CRIU did not come to the memory.
   *
   * @param logFile - The path of CRIU's log.
   */
  async fail(logFile: string): Promise<void> {
    if (this.#before === null || (await this.#wasReset(logFile))) return;
    if (this.#before === undefined) await rm(registryFile(this.#identity), { force: true });
    else await this.#register(this.#before);
  }

  async #wasReset(logFile: string): Promise<boolean> {
    if (!(await exists(logFile))) return false;
    // CRIU writes the line below from level 3 on.
    if (this.#logLevel < 3) return true;
    const input = createReadStream(logFile);
    const { createInterface } = process.getBuiltinModule('node:readline');
    const needle = `Reset ${this.#identity.pid}'s dirty tracking`;
    try {
      for await (const line of createInterface({ input })) if (line.includes(needle)) return true;
      return false;
    } catch {
      return true;
    } finally {
      input.destroy();
    }
  }

  #text(id: string): string {
    const save: Save = { process: this.#identity, id, imagePath: this.#imagePath };
    return `${JSON.stringify(save)}\n`;
  }

  /** Writes to the registry. Where there is no `/run` to write to, the records in the images remain. */
  async #register(text: string): Promise<void> {
    const file = registryFile(this.#identity);
    try {
      await mkdir(registryDirectory, { recursive: true, mode: 0o700 });
      const draft = `${file}.${this.#id}`;
      await writeFile(draft, text, { mode: 0o600 });
      await rename(draft, file);
    } catch {}
  }
}

/** Says why images cannot be the parent of what a process has now; undefined when they can. */
async function unfit(
  directory: string,
  identity: Identity,
  isLocal: boolean,
): Promise<Sentence | undefined> {
  if (!(await exists(join(directory, 'inventory.img')))) return 'it holds no complete images';
  const { pid } = identity;
  const record = await readSave(join(directory, recordName));
  if (record && !isSame(record.process, identity)) {
    const which =
      record.process.pid === pid ? 'an earlier process of that number' : 'another process';
    return `its images are of ${which} (${record.process.pid})`;
  }
  const pagemap = `pagemap-${await imagePid(pid)}.img`;
  if (isLocal && !(await exists(join(directory, pagemap)))) {
    return `it holds no memory of that process (there is no ${pagemap})`;
  }
  const latest = await readSave(registryFile(identity));
  // Images without a record were written by another tool, whose saves are not registered.
  if (!latest || !record || !isSame(latest.process, identity)) return undefined;
  if (latest.id === '') {
    const lost = `a later save, into ${latest.imagePath}, has failed, and what changed before it is not known`;
    return sentence`${lost}; start anew without ${option('parentPath')}`;
  }
  return latest.id === record.id ? undefined : `it was saved again since, into ${latest.imagePath}`;
}

/**
 * The path of the parent images. CRIU takes it relative to the images directory itself, wherever links
 * have led to that one.
 */
async function parentDirectory(imagePath: string, parentPath: string): Promise<string> {
  const images = await realpath(imagePath).catch(() => resolve(imagePath));
  return join(images, parentPath);
}

async function identify(pid: number): Promise<Identity | undefined> {
  const stat = tryReadProcessStat(pid);
  if (stat === undefined) return undefined;
  const boot = await readFile('/proc/sys/kernel/random/boot_id', 'utf8');
  return { pid, startTime: stat.startTime, boot: boot.trim() };
}

/** The number by which CRIU names a process's images: the one in its own pid namespace. */
async function imagePid(pid: number): Promise<number> {
  return innerPid(await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '')) ?? pid;
}

function isSame(a: Identity, b: Identity): boolean {
  return a.pid === b.pid && a.startTime === b.startTime && a.boot === b.boot;
}

function registryFile({ pid, startTime }: Identity): string {
  return join(registryDirectory, `${pidNamespace()}-${pid}-${startTime}`);
}

/**
 * The number of this process's pid namespace. Processes in other ones may use the same registry, and
 * have other ids for the same processes.
 */
function pidNamespace(): string {
  return namespaceInode(readlinkSync('/proc/self/ns/pid')) ?? '';
}

/** Reads a record or an entry of the registry; undefined when there is none. */
async function readSave(file: string): Promise<Save | undefined> {
  try {
    const save = JSON.parse(await readFile(file, 'utf8')) as Partial<Save> | null;
    return save?.process && typeof save.id === 'string' ? (save as Save) : undefined;
  } catch {
    return undefined;
  }
}

/** Removes what the registry has of processes of this pid namespace that have ended. */
async function forgetTheDead(): Promise<void> {
  for (const name of await readdir(registryDirectory).catch(() => [])) {
    const [namespace, pid, startTime] = name.split(/[-.]/);
    if (namespace !== pidNamespace()) continue;
    const identity = await identify(Number(pid));
    if (identity?.startTime !== Number(startTime)) {
      await rm(join(registryDirectory, name), { force: true }).catch(() => {});
    }
  }
}
