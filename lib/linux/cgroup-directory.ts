import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmdirSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { errnoOf } from '../base/errors.js';
import { type CgroupPlace, type CgroupVersion, cgroupLines, placeOf } from './cgroup.js';
import type { Host } from './host.js';

/** Whether a cgroup is stopped by the freezer; `undefined` when it has none. */
export type FreezerState = 'frozen' | 'thawed' | undefined;

/** A cgroup that has not come to rest after this time is not waited for any longer. */
const settleMs = 10_000;

/** The numbers by which the kernel names its two file systems of cgroups. */
const versions: ReadonlyMap<number, CgroupVersion> = new Map([
  [0x27e0eb, 1],
  [0x63677270, 2],
]);

const { O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_WRONLY } = constants;

/** A directory that is not to be frozen, killed or removed as a cgroup. */
export class CgroupError extends Error {
  readonly path: string;
  /** What is wrong with it, as the end of a sentence: "it is not a cgroup". */
  readonly why: string;

  constructor(path: string, why: string) {
    super(`The cgroup ${path} cannot be used: ${why}`);
    this.path = path;
    this.why = why;
  }
}

/**
 * The directory of a cgroup, opened. What is looked at is then also what is frozen, killed and
 * removed, whatever its path leads to by then. Files of cgroups are read and written synchronously:
 * they are in the kernel's memory, and a turn of libuv's pool takes longer.
 */
export class Cgroup {
  readonly fd: number;
  readonly version: CgroupVersion;
  /** Absolute and without links. */
  readonly path: string;
  readonly #host: Host;
  #place: CgroupPlace | undefined;
  #isOpen = true;

  /**
   * Opens a cgroup.
   *
   * @returns undefined when there is nothing at the path.
   * @throws CgroupError for what is not a cgroup, or a link to one.
   */
  static openIfThere(path: string, host: Host): Cgroup | undefined {
    const fd = openDirectory(path);
    if (fd === undefined) return undefined;
    try {
      return new Cgroup(path, fd, host);
    } catch (error) {
      closeSync(fd);
      throw error;
    }
  }

  /** @throws CgroupError as well when there is nothing at the path. */
  static open(path: string, host: Host): Cgroup {
    const cgroup = Cgroup.openIfThere(path, host);
    if (cgroup === undefined) throw new CgroupError(path, 'it does not exist');
    return cgroup;
  }

  private constructor(path: string, fd: number, host: Host) {
    const version = versions.get(host.fileSystem(`/proc/self/fd/${fd}`));
    if (version === undefined) throw new CgroupError(path, 'it is not a directory of cgroups');
    this.fd = fd;
    this.version = version;
    this.path = readlinkSync(`/proc/self/fd/${fd}`);
    this.#host = host;
  }

  /** Can be called again. */
  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    closeSync(this.fd);
  }

  get #where(): CgroupPlace {
    this.#place ??= placeOf(this.path, fstatSync(this.fd, { bigint: true }).dev, this.#host);
    if (this.#place === undefined) throw new CgroupError(this.path, 'no mount of ours has it');
    return this.#place;
  }

  /**
   * The line that `/proc/PID/cgroup` has of a process in this cgroup, like `4:freezer:/web`.
   *
   * @throws CgroupError when no mount that we see has the cgroup, or we are in no such hierarchy.
   */
  get place(): string {
    return this.#hierarchy + this.#where.inside;
  }

  get #hierarchy(): string {
    const { hierarchy } = this.#where;
    if (hierarchy === undefined) throw new CgroupError(this.path, 'its hierarchy is not ours');
    return hierarchy;
  }

  /**
   * Whether this is the root of its hierarchy, or of the part of it that our namespace shows, or above
   * that.
   *
   * @throws CgroupError when no mount that we see has the cgroup.
   */
  get isRoot(): boolean {
    return /^(?:\/|(?:\/\.\.)+)$/.test(this.#where.inside);
  }

  /** Whether a process is in the cgroup or below it; false as well for one that is gone. */
  holds(pid: number | 'self'): boolean {
    const [hierarchy, place, isRoot] = [this.#hierarchy, this.place, this.isRoot];
    return cgroupLines(pid, this.#host).some((line) =>
      isRoot ? line.startsWith(hierarchy) : line === place || line.startsWith(`${place}/`),
    );
  }

  /** Where in this hierarchy a process is, as the end of a sentence; empty for one that is gone. */
  insteadOf(pid: number): string {
    const hierarchy = this.#hierarchy;
    const line = cgroupLines(pid, this.#host).find((one) => one.startsWith(hierarchy));
    return line === undefined ? '' : `, but in ${line.slice(hierarchy.length)}`;
  }

  /** The file's text without its last newline; `undefined` when it or the cgroup is gone. */
  read(file: string): string | undefined {
    const fd = this.#openControl(file, O_RDONLY);
    if (fd === undefined) return undefined;
    try {
      return readFileSync(fd, 'utf8').trimEnd();
    } catch (error) {
      if (errnoOf(error) === 'ENODEV') return undefined;
      throw error;
    } finally {
      closeSync(fd);
    }
  }

  /**
   * Writes a control file.
   *
   * @returns whether the cgroup has such a file, and is still there.
   */
  write(file: string, text: string): boolean {
    const fd = this.#openControl(file, O_WRONLY);
    if (fd === undefined) return false;
    try {
      writeFileSync(fd, text);
      return true;
    } catch (error) {
      if (errnoOf(error) === 'ENODEV') return false;
      throw error;
    } finally {
      closeSync(fd);
    }
  }

  /** A link is not followed, and a pipe does not block. */
  #openControl(file: string, mode: number): number | undefined {
    try {
      return openSync(`/proc/self/fd/${this.fd}/${file}`, mode | O_NOFOLLOW | O_NONBLOCK);
    } catch (error) {
      const code = errnoOf(error);
      if (code === 'ENOENT' || code === 'ENODEV') return undefined;
      throw error;
    }
  }

  /** Freezes or thaws it and does not wait until its tasks have come to rest. */
  freeze(frozen: boolean): void {
    if (this.version === 1) this.write('freezer.state', frozen ? 'FROZEN' : 'THAWED');
    else this.write('cgroup.freeze', frozen ? '1' : '0');
  }

  /** Whether its tasks are frozen or about to be, by its own freezer or by one above it. */
  get isFreezing(): boolean {
    if (this.version === 1) return this.read('freezer.state') !== 'THAWED';
    const isFrozen = /^frozen 1$/m.test(this.read('cgroup.events') ?? '');
    return isFrozen || this.read('cgroup.freeze') !== '0';
  }

  /** The state of the cgroup's own freezer, once its tasks have come to rest. */
  async freezerState(): Promise<FreezerState> {
    const deadline = performance.now() + settleMs;
    for (;;) {
      const state = this.version === 1 ? this.#stateV1() : this.#stateV2();
      if (state !== 'settling') return state;
      if (performance.now() > deadline) {
        throw new Error(`the cgroup ${this.path} has been freezing for ${settleMs / 1000} s`);
      }
      await sleep(1);
    }
  }

  /** A cgroup that only an ancestor froze counts as thawed, as it does to runc. */
  #stateV1(): FreezerState | 'settling' {
    const state = this.read('freezer.state');
    if (state === undefined) return undefined;
    if (state === 'FREEZING') return 'settling';
    if (state === 'THAWED') return 'thawed';
    return this.read('freezer.self_freezing') === '0' ? 'thawed' : 'frozen';
  }

  /** It is frozen when that was asked for and every task has come to rest. */
  #stateV2(): FreezerState | 'settling' {
    const asked = this.read('cgroup.freeze');
    if (asked === undefined) return undefined;
    if (asked !== '1') return 'thawed';
    const events = this.read('cgroup.events');
    if (events === undefined) return undefined;
    return /^frozen 1$/m.test(events) ? 'frozen' : 'settling';
  }

  /** The processes of the cgroup and of those below it. */
  processes(): readonly number[] {
    const text = this.read('cgroup.procs') ?? '';
    const pids = text.split('\n').flatMap((line) => (line === '' ? [] : Number(line)));
    for (const name of this.#names()) {
      const child = this.#child(name);
      try {
        pids.push(...(child?.processes() ?? []));
      } finally {
        child?.close();
      }
    }
    return pids;
  }

  /**
   * Removes the cgroup and those below it. The last process may still be on its way out.
   *
   * @throws CgroupError for the root of a hierarchy.
   * @throws Error when the cgroup is still in use after a second.
   */
  async remove(): Promise<void> {
    if (this.isRoot) throw new CgroupError(this.path, 'it is the root of its hierarchy');
    if (this.#tryRemove()) return;
    for (const name of this.#names()) {
      const child = this.#child(name);
      try {
        await child?.remove();
      } finally {
        child?.close();
      }
    }
    for (let delay = 1; delay <= 512; delay *= 2) {
      if (this.#tryRemove()) return;
      await sleep(delay);
    }
    if (!this.#tryRemove()) throw new Error(`the cgroup ${this.path} is still in use`);
  }

  /**
   * Removes the directory unless it is in use or has others in it.
   *
   * @returns whether it is gone now.
   */
  #tryRemove(): boolean {
    const parent = openDirectory(dirname(this.path));
    if (parent === undefined) return true;
    const path = `/proc/self/fd/${parent}/${basename(this.path)}`;
    try {
      // Another one may have been made under the name since.
      const { dev, ino } = fstatSync(this.fd, { bigint: true });
      const there = lstatSync(path, { bigint: true });
      if (there.dev !== dev || there.ino !== ino) return true;
      rmdirSync(path);
      return true;
    } catch (error) {
      const code = errnoOf(error);
      if (code === 'ENOENT') return true;
      if (code === 'EBUSY' || code === 'ENOTEMPTY') return false;
      throw error;
    } finally {
      closeSync(parent);
    }
  }

  /** The names of the cgroups right below. */
  #names(): readonly string[] {
    try {
      const entries = readdirSync(`/proc/self/fd/${this.fd}`, { withFileTypes: true });
      return entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return [];
      throw error;
    }
  }

  #child(name: string): Cgroup | undefined {
    return Cgroup.openIfThere(`/proc/self/fd/${this.fd}/${name}`, this.#host);
  }
}

/**
 * Checks that a cgroup has a process in it, or below it, and not this process, so that what is done to
 * the cgroup is done to the tasks that are meant.
 *
 * @throws CgroupError
 */
export function requireTask(cgroup: Cgroup, pid: number): void {
  const refuse = (why: string): never => {
    throw new CgroupError(cgroup.path, why);
  };
  if (cgroup.holds('self')) refuse('this process is in it, and would be stopped with the tasks');
  if (cgroup.isRoot) refuse('it is the root of its hierarchy');
  if (!cgroup.holds(pid)) refuse(`process ${pid} is not in it${cgroup.insteadOf(pid)}`);
}

/**
 * Checks that freezing a cgroup stops a process, and not this one.
 *
 * @throws CgroupError
 */
export function requireFreezable(cgroup: Cgroup, pid: number): void {
  requireTask(cgroup, pid);
  const file = cgroup.version === 1 ? 'freezer.state' : 'cgroup.freeze';
  if (cgroup.read(file) === undefined) throw new CgroupError(cgroup.path, 'it has no freezer');
}

/** @returns undefined when there is nothing at the path. */
function openDirectory(path: string): number | undefined {
  try {
    // With a slash at its end the link would be followed.
    return openSync(path.replace(/(?<=.)\/+$/, ''), O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  } catch (error) {
    const code = errnoOf(error);
    if (code === 'ENOENT' || code === 'ENODEV') return undefined;
    if (code === 'ENOTDIR' || code === 'ELOOP') {
      throw new CgroupError(path, 'it is not a directory, or a link to one');
    }
    throw error;
  }
}
