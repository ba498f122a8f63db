import { closeSync, constants, type Stats } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { errnoOf } from '../base/errors.js';
import { readFile } from '../base/files.js';
import { type IsLocal, localMounts } from './local-mounts.js';
import { type Mount, parseMountinfo } from './mountinfo.js';
import { shownPath } from './paths.js';
import { mountIdOf, openPath } from './procfs.js';
import { atOnce, type WalkCalls, waiting } from './walk-calls.js';

/** A file or directory that a path led to, held open, with who else may have had a hand in it. */
export interface OwnershipReport {
  /**
   * An `O_PATH` descriptor of what the path led to, or of the nearest existing directory above it.
   * `/proc/self/fd/<fd>` opens the same object for reading, whatever the path leads to by then.
   */
  readonly fd: number;
  /** What the descriptor refers to. */
  readonly stats: Stats;
  /** The absolute path of the descriptor's object, without links. */
  readonly real: string;
  /** The names below {@link OwnershipReport.real} that do not exist, outermost first. */
  readonly missing: readonly string[];
  /** Whether to read what is there waits for no server. */
  readonly isLocal: boolean;
  /**
   * Why another user may have chosen or written what is there, as the end of a sentence:
   * `/srv/x may be written by group 5`. Undefined when only root and this user can have done so.
   */
  readonly reason: string | undefined;
  /** Closes the descriptor. A second call does nothing. */
  close(): void;
}

/** How a path is looked at. */
export interface OwnershipOptions {
  /**
   * The user who is trusted beside root.
   *
   * @defaultValue the effective user of this process
   */
  euid?: number;
  /**
   * Whether the end of the path need not exist, as of a directory that is to be made.
   *
   * @defaultValue false
   */
  mayBeMissing?: boolean;
  /**
   * Whether a link at the end of the path is followed. If not, the report is about the link.
   *
   * @defaultValue true
   */
  followsLast?: boolean;
}

/** Linux follows as many symbolic links in one path. */
const maxLinks = 40;
const fuseMagic = 0x65735546;
const writableByGroup = 0o020;
const writableByOthers = 0o002;
const sticky = 0o1000;

/**
 * Walks a path as the kernel does and looks at the owner and the mode of everything on the way:
 * every directory, every symbolic link and what is at the end.
 *
 * Each component is opened below the descriptor of the directory before it and is judged by that
 * descriptor, so that nobody can change a component between the look and the use. Another user may
 * have had a hand in it when
 *
 * - a directory or file belongs to a user who is neither root nor `euid`;
 * - group or others may write to it. A sticky directory on the way is the exception: nobody else can
 *   take away an entry of root or `euid` there, and the entry is judged in its turn;
 * - a symbolic link belongs to another user;
 * - a file in such a directory has other names, because others can make hard links there;
 * - it lies on a FUSE file system that another user mounted and whose owners that user makes up.
 *
 * @param path - A relative path starts at the working directory, which is walked as well.
 * @throws Error with the `code` of the failed system call: `ENOENT`, `ENOTDIR`, `ELOOP`, `EACCES`.
 */
export async function inspectOwnership(
  path: string,
  {
    euid = process.geteuid?.() ?? 0,
    mayBeMissing = false,
    followsLast = true,
  }: OwnershipOptions = {},
): Promise<OwnershipReport> {
  const absolute = path.startsWith('/') ? path : `${process.cwd()}/${path}`;
  const walk = new PathWalk({ euid, mayBeMissing, followsLast });
  try {
    await walk.follow(toBytes(absolute));
    return walk.finish();
  } catch (error) {
    walk.close();
    throw error;
  }
}

/** An open component of a path. Its path has one character for each byte, as latin1 has. */
interface Component {
  readonly fd: number;
  readonly stats: Stats;
  readonly path: string;
}

/** The state of one walk: where it is, and the first reason for distrust that it came across. */
class PathWalk {
  readonly #euid: number;
  readonly #mayBeMissing: boolean;
  readonly #followsLast: boolean;
  readonly #isLocal: IsLocal = localMounts();
  #current: Component | undefined;
  /** Whether others may make entries in the directory that was judged last. */
  #isShared = false;
  #missing: readonly string[] = [];
  #reason: string | undefined;
  #links = 0;

  constructor({ euid, mayBeMissing, followsLast }: Required<OwnershipOptions>) {
    this.#euid = euid;
    this.#mayBeMissing = mayBeMissing;
    this.#followsLast = followsLast;
  }

  /** Goes along an absolute path, given as latin1. */
  async follow(path: string): Promise<void> {
    this.#enter(await this.#openRoot());
    let rest = namesOf(path);
    for (let name = rest.shift(); name !== undefined; name = rest.shift()) {
      const directory = this.#at();
      this.#judgeDirectory(directory);
      const next = await this.#open(directory, name).catch((error: unknown) => {
        const canBeMade = this.#mayBeMissing && errnoOf(error) === 'ENOENT';
        if (canBeMade && !rest.includes('..')) return undefined;
        throw error;
      });
      if (next === undefined) {
        this.#missing = [name, ...rest];
        return;
      }
      const isFollowed = this.#followsLast || rest.length > 0;
      if (!next.stats.isSymbolicLink() || !isFollowed) await this.#descend(next);
      else rest = [...(await this.#readLink(directory, next)), ...rest];
    }
  }

  /** Judges what the path led to and hands it over. */
  finish(): OwnershipReport {
    const { fd, stats, path } = this.#at();
    if (this.#missing.length === 0) this.#judgeEnd(this.#at());
    this.#current = undefined;
    let isOpen = true;
    return {
      fd,
      stats,
      real: toText(path),
      missing: this.#missing.map(toText),
      isLocal: this.#isLocal(path),
      reason: this.#reason,
      close: () => {
        if (isOpen) closeSync(fd);
        isOpen = false;
      },
    };
  }

  close(): void {
    if (this.#current) closeSync(this.#current.fd);
    this.#current = undefined;
  }

  #callsFor(path: string): WalkCalls {
    return this.#isLocal(path) ? atOnce : waiting;
  }

  #openRoot(): Promise<Component> {
    return openRoot(this.#callsFor('/'));
  }

  #open(directory: Component, name: string): Promise<Component> {
    const path = below(directory.path, name);
    return openComponent(directory, name, path, this.#callsFor(path));
  }

  #at(): Component {
    if (!this.#current) throw new Error('the walk has ended');
    return this.#current;
  }

  /** Makes a component the one from which the walk goes on. */
  #enter(component: Component): void {
    if (this.#current) closeSync(this.#current.fd);
    this.#current = component;
  }

  async #descend(component: Component): Promise<void> {
    const { dev } = this.#at().stats;
    this.#enter(component);
    if (component.stats.dev !== dev) await this.#judgeMount(component);
  }

  /**
   * Reads a link, by its name: Linux has no call by descriptor that Node offers. Where the link is
   * trusted nobody else can put another one in its place, and elsewhere there is a reason already.
   *
   * @returns the names to follow instead of it.
   */
  async #readLink(directory: Component, link: Component): Promise<string[]> {
    closeSync(link.fd);
    this.#links += 1;
    if (this.#links > maxLinks) throw systemError('ELOOP', link.path);
    if (!this.#isTrusted(link.stats.uid)) {
      this.#distrust(`the symbolic link ${shown(link)} is owned by user ${link.stats.uid}`);
    }
    const calls = this.#callsFor(link.path);
    const target = await calls
      .readLink(inDirectory(directory, link.path))
      .catch((cause: unknown) => {
        throw systemError(errnoOf(cause) ?? 'EIO', link.path, cause);
      });
    if (target.startsWith('/')) this.#enter(await this.#openRoot());
    return namesOf(target);
  }

  #judgeDirectory(directory: Component): void {
    if (!directory.stats.isDirectory()) return;
    this.#judgeOwner(directory);
    if ((directory.stats.mode & sticky) === 0) this.#judgeMode(directory);
    this.#isShared = canOthersWrite(directory.stats);
  }

  #judgeEnd(end: Component): void {
    const { stats } = end;
    this.#judgeOwner(end);
    // Who writes to a device or a socket does not change what it is.
    if (stats.isDirectory() || stats.isFile() || stats.isFIFO()) this.#judgeMode(end);
    if (stats.isFile() && stats.nlink > 1 && this.#isShared) {
      this.#distrust(`${shown(end)} has other names, and every user can give it one there`);
    }
  }

  #judgeOwner(component: Component): void {
    const { uid } = component.stats;
    if (!this.#isTrusted(uid)) this.#distrust(`${shown(component)} is owned by user ${uid}`);
  }

  #judgeMode(component: Component): void {
    const { mode, gid } = component.stats;
    if ((mode & writableByOthers) !== 0) {
      this.#distrust(`${shown(component)} may be written by every user`);
    } else if ((mode & writableByGroup) !== 0) {
      this.#distrust(`${shown(component)} may be written by group ${gid}`);
    }
  }

  /** The owners on a FUSE file system are what the process says that serves it. */
  async #judgeMount(component: Component): Promise<void> {
    const { fd, path } = component;
    if ((await this.#callsFor(path).fileSystem(fd)) !== fuseMagic) return;
    const mount = await mountOf(fd);
    // The same code of the kernel serves virtiofs, which root alone can mount.
    if (mount?.type === 'virtiofs') return;
    const uid = mount?.options.find((option) => option.startsWith('user_id='))?.slice(8);
    if (uid !== undefined && this.#isTrusted(Number(uid))) return;
    const who = uid === undefined ? 'an unknown user' : `user ${uid}`;
    this.#distrust(`${shown(component)} is on a FUSE file system that ${who} mounted`);
  }

  #isTrusted(uid: number): boolean {
    return uid === 0 || uid === this.#euid;
  }

  #distrust(reason: string): void {
    this.#reason ??= reason;
  }
}

async function openRoot(calls: WalkCalls): Promise<Component> {
  const fd = await calls.open('/', openPath | constants.O_DIRECTORY);
  return { fd, stats: await statOrClose(fd, calls), path: '/' };
}

/** Opens an entry of a directory without following a link. */
async function openComponent(
  directory: Component,
  name: string,
  path: string,
  calls: WalkCalls,
): Promise<Component> {
  try {
    const fd = await openEntry(directory, name, calls);
    return { fd, stats: await statOrClose(fd, calls), path };
  } catch (cause) {
    // Without /proc nothing is found, which says nothing about the path.
    if (errnoOf(cause) === 'ENOENT') await statfs('/proc/self/fd');
    throw systemError(errnoOf(cause) ?? 'EIO', path, cause);
  }
}

/** The first try asks for a directory, which has an automounter mount what belongs there. */
async function openEntry(directory: Component, name: string, calls: WalkCalls): Promise<number> {
  const entry = inDirectory(directory, name);
  const flags = openPath | constants.O_NOFOLLOW;
  if (!calls.canMount) return calls.open(entry, flags);
  return calls.open(entry, flags | constants.O_DIRECTORY).catch((error: unknown) => {
    const isNoDirectory = errnoOf(error) === 'ENOTDIR' || errnoOf(error) === 'ELOOP';
    if (isNoDirectory && directory.stats.isDirectory()) return calls.open(entry, flags);
    throw error;
  });
}

async function statOrClose(fd: number, calls: WalkCalls): Promise<Stats> {
  try {
    return await calls.stat(fd);
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

async function mountOf(fd: number): Promise<Mount | undefined> {
  const id = mountIdOf(await readFile(`/proc/self/fdinfo/${fd}`, 'latin1'));
  const mounts = parseMountinfo(await readFile('/proc/self/mountinfo', 'utf8'));
  return mounts.find((mount) => mount.id === id);
}

function canOthersWrite({ mode }: Stats): boolean {
  return (mode & (writableByGroup | writableByOthers)) !== 0;
}

/** The path by which the kernel reaches an entry of an open directory. */
function inDirectory({ fd }: Component, path: string): Buffer {
  const name = path.slice(path.lastIndexOf('/') + 1);
  return Buffer.from(`/proc/self/fd/${fd}/${name}`, 'latin1');
}

function below(directory: string, name: string): string {
  if (name === '..') return directory.slice(0, directory.lastIndexOf('/')) || '/';
  return directory === '/' ? `/${name}` : `${directory}/${name}`;
}

function namesOf(path: string): string[] {
  return path.split('/').filter((name) => name !== '' && name !== '.');
}

function systemError(code: string, path: string, cause?: unknown): Error {
  const shownHere = shownPath(toText(path));
  const error = new Error(`${code}: cannot open ${shownHere}`, { cause });
  return Object.assign(error, { code, path: toText(path) });
}

function shown({ path }: Component): string {
  return shownPath(toText(path));
}

function toBytes(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1');
}

function toText(bytes: string): string {
  return Buffer.from(bytes, 'latin1').toString('utf8');
}
