import { randomUUID } from 'node:crypto';
import { createReadStream, readlinkSync } from 'node:fs';
import {
  access,
  mkdir,
  readdir,
  readFile,
  realpath,
  rename,
  rm,
  writeFile,
} from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { invalidArgValue } from '../base/errors.js';
import { parseProcessStat } from '../linux/process-stat.js';

/** Written beside CRIU's images when memory is tracked: whose memory it is, and which save of it. */
const recordName = 'libcriu.json';

/** The latest save of each tracked process, for all users of this machine until it is booted anew. */
const registryDirectory = '/run/libcriu/tracked';

/** A process, not to be taken for a later one of the same number. */
interface Identity {
  pid: number;
  /** In clock ticks after boot. */
  startTime: number;
  /** The kernel's id of this boot. */
  boot: string;
}

/** One save of a process's memory. */
interface Save {
  process: Identity;
  /** Unique; empty when it failed. */
  id: string;
  /** Where its images were written. */
  imagePath: string;
}

/** What of a dump's options decides on its tracking. */
export interface TrackingSettings {
  imagePath: string;
  parentPath?: string | undefined;
  trackMem?: boolean | undefined;
  /** Given when the memory is sent to a page server. */
  pageServer?: unknown;
  logLevel: number;
}

/**
 * CRIU has the kernel forget, with each save of tracked memory, which pages were changed before it.
 * A dump is right only if its parent is the latest save of the same process: with any other one, or
 * after a save that failed, pages would be taken from images that do not have them as they are, and
 * CRIU does not notice. So each save is written down, in its images and in a registry.
 */
export class MemoryTracking {
  readonly #process: Identity;
  readonly #id: string = randomUUID();
  readonly #imagePath: string;
  readonly #logLevel: number;
  /** What the registry had before; null until we have touched it. */
  #before: string | undefined | null = null;

  private constructor(process: Identity, imagePath: string, logLevel: number) {
    this.#process = process;
    this.#imagePath = imagePath;
    this.#logLevel = logLevel;
  }

  /**
   * Looks at the parent images, without touching anything.
   *
   * @returns nothing for an operation that does not track memory
   * @throws RangeError `ERR_INVALID_ARG_VALUE` when they cannot be the parent
   */
  static async of(
    pid: number,
    preDump: boolean,
    options: TrackingSettings,
  ): Promise<MemoryTracking | undefined> {
    const { parentPath, trackMem, imagePath, logLevel } = options;
    if (!preDump && trackMem !== true && parentPath === undefined) return undefined;
    const process = await identify(pid);
    if (process === undefined) return undefined; // gone, as CRIU will say
    if (parentPath !== undefined) {
      // With a page server the memory is in its images, and not in those beside ours.
      const isLocal = options.pageServer === undefined;
      const reason = await unfit(await parentDirectory(imagePath, parentPath), process, isLocal);
      if (reason !== undefined) {
        const expected = `images of the latest save of process ${pid}`;
        throw invalidArgValue('parentPath', expected, parentPath, reason);
      }
    }
    return new MemoryTracking(process, resolve(imagePath), logLevel);
  }

  /** What goes into the images: [name, content]. */
  get imageFile(): readonly [string, string] {
    return [recordName, this.#text(this.#id)];
  }

  /** Before CRIU is asked: until this is over, and should we not live to see it, no save is good. */
  async begin(): Promise<void> {
    this.#before = await readFile(registryFile(this.#process), 'utf8').catch(() => undefined);
    await this.#register(this.#text(''));
  }

  async succeed(): Promise<void> {
    await this.#register(this.#text(this.#id));
    await forgetTheDead().catch(() => {}); // another time
  }

  /**
   * After a failure the former save is still good if CRIU did not come to the memory.
   *
   * @param logFile - CRIU's log
   */
  async fail(logFile: string): Promise<void> {
    if (this.#before === null || (await this.#wasReset(logFile))) return;
    if (this.#before === undefined) await rm(registryFile(this.#process), { force: true });
    else await this.#register(this.#before);
  }

  async #wasReset(logFile: string): Promise<boolean> {
    if (!(await exists(logFile))) return false;
    // CRIU tells it from level 3 on.
    if (this.#logLevel < 3) return true;
    const input = createReadStream(logFile);
    const needle = `Reset ${this.#process.pid}'s dirty tracking`;
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
    const save: Save = { process: this.#process, id, imagePath: this.#imagePath };
    return `${JSON.stringify(save)}\n`;
  }

  /** Where there is no `/run` to write to, only the records in the images are left. */
  async #register(text: string): Promise<void> {
    const file = registryFile(this.#process);
    try {
      await mkdir(registryDirectory, { recursive: true, mode: 0o700 });
      const draft = `${file}.${this.#id}`;
      await writeFile(draft, text, { mode: 0o600 });
      await rename(draft, file);
    } catch {}
  }
}

/** Why images cannot be the parent of what a process has now. */
async function unfit(
  directory: string,
  process: Identity,
  isLocal: boolean,
): Promise<string | undefined> {
  if (!(await exists(join(directory, 'inventory.img')))) return 'it holds no complete images';
  const { pid } = process;
  const record = await readSave(join(directory, recordName));
  if (record && !isSame(record.process, process)) {
    const which =
      record.process.pid === pid ? 'an earlier process of that number' : 'another process';
    return `its images are of ${which} (${record.process.pid})`;
  }
  const pagemap = `pagemap-${await innerPid(pid)}.img`;
  if (isLocal && !(await exists(join(directory, pagemap)))) {
    return `it holds no memory of that process (there is no ${pagemap})`;
  }
  const latest = await readSave(registryFile(process));
  // Images without a record are another tool's, whose saves are not registered.
  if (!latest || !record || !isSame(latest.process, process)) return undefined;
  if (latest.id === '') {
    return (
      `a later save, into ${latest.imagePath}, has failed, and what changed before it is not known; ` +
      'start anew without parentPath'
    );
  }
  return latest.id === record.id ? undefined : `it was saved again since, into ${latest.imagePath}`;
}

/** CRIU takes the path from the images directory itself, wherever links have led to it. */
async function parentDirectory(imagePath: string, parentPath: string): Promise<string> {
  const images = await realpath(imagePath).catch(() => resolve(imagePath));
  return join(images, parentPath);
}

async function identify(pid: number): Promise<Identity | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined);
  if (stat === undefined) return undefined;
  const { startTime } = parseProcessStat(stat);
  const boot = await readFile('/proc/sys/kernel/random/boot_id', 'utf8');
  return { pid, startTime, boot: boot.trim() };
}

/** The process's number in its own pid namespace, by which CRIU names its images. */
async function innerPid(pid: number): Promise<string> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  return /^NSpid:.*\s(\d+)$/m.exec(status)?.[1] ?? String(pid);
}

function isSame(a: Identity, b: Identity): boolean {
  return a.pid === b.pid && a.startTime === b.startTime && a.boot === b.boot;
}

function registryFile({ pid, startTime }: Identity): string {
  return join(registryDirectory, `${pidNamespace()}-${pid}-${startTime}`);
}

/** Its inode: others on this machine may use the same registry and other numbers. */
function pidNamespace(): string {
  return /\d+/.exec(readlinkSync('/proc/self/ns/pid'))?.[0] ?? '';
}

async function readSave(file: string): Promise<Save | undefined> {
  try {
    const save = JSON.parse(await readFile(file, 'utf8')) as Partial<Save> | null;
    return save?.process && typeof save.id === 'string' ? (save as Save) : undefined;
  } catch {
    return undefined; // there is none
  }
}

async function forgetTheDead(): Promise<void> {
  for (const name of await readdir(registryDirectory).catch(() => [])) {
    const [namespace, pid, startTime] = name.split(/[-.]/);
    if (namespace !== pidNamespace()) continue;
    const process = await identify(Number(pid));
    if (process?.startTime !== Number(startTime)) {
      await rm(join(registryDirectory, name), { force: true }).catch(() => {});
    }
  }
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
