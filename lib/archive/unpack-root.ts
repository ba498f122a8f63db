import {
  chmod,
  closeSync,
  lchown,
  link,
  lstat,
  lutimes,
  mkdir,
  type Stats,
  symlink,
  unlink,
} from 'node:fs';
import { constants } from 'node:os';
import { promisify } from 'node:util';
import { CriuError, errnoOf } from '../base/errors.js';
import { makeFifo, setAttribute } from '../linux/file-metadata.js';
import { entryPath, removeTree } from '../linux/remove-tree.js';
import type { Bytes } from './bytes.js';
import { decompressing } from './decompress.js';
import { refuseMember } from './fault.js';
import type { Count } from './limits.js';
import { whiteout } from './members.js';
import { readTar, type TarMember } from './read-tar.js';
import {
  changeMode,
  changeOwner,
  changeTimes,
  createFile,
  type Place,
  Tree,
  writeAll,
} from './tree.js';

const makeDirectory = promisify(mkdir) as (path: Buffer, mode: number) => Promise<void>;
const makeLink = promisify(link) as (target: Buffer, path: Buffer) => Promise<void>;
const makeSymlink = promisify(symlink) as (target: Buffer, path: Buffer) => Promise<void>;
const unlinkEntry = promisify(unlink) as (path: Buffer) => Promise<void>;
const statEntry = promisify(lstat) as (path: Buffer) => Promise<Stats>;
const changeModeByPath = promisify(chmod) as (path: Buffer, mode: number) => Promise<void>;
const changeLinkOwner = promisify(lchown) as (
  path: Buffer,
  uid: number,
  gid: number,
) => Promise<void>;
const changeLinkTimes = promisify(lutimes) as (
  path: Buffer,
  atime: number,
  mtime: number,
) => Promise<void>;

/** Each level is a descriptor when it is removed again. */
const maxDepth = 128;
const maxPath = 4096;
const maxName = 255;

/** What is unpacked into a root file system. */
export interface RootArchive {
  readonly bytes: Bytes;
  readonly count: Count;
  /** Whether names that begin with `.wh.` say what is removed, as in the layers of images. */
  readonly isLayer?: boolean;
}

/**
 * Unpacks an archive of a container's files over its root file system. The archive may hold what a file
 * system holds: links of both kinds are made, and none is followed, so that nothing outside of the root
 * is read, written or linked to. Devices are refused.
 *
 * @param root - A descriptor of the root, which nobody else changes meanwhile.
 */
export async function unpackRoot(
  root: number,
  { bytes, count, isLayer = false }: RootArchive,
): Promise<void> {
  const tree = new Tree(root);
  try {
    const members = decompressing(bytes, count, (plain) => readTar(plain, count));
    for await (const member of members) await putMember(tree, member, isLayer);
  } finally {
    tree.forget();
  }
}

/**
 * Removes files from a root file system, and directories with all that is in them.
 *
 * @param paths - As the container has them: `/etc/motd`. What is not there is removed already.
 */
export async function removeFromRoot(root: number, paths: readonly string[]): Promise<void> {
  const tree = new Tree(root);
  try {
    for (const path of paths) {
      const relative = rootPath(Buffer.from(path.replace(/^\/+/, ''), 'utf8').toString('latin1'));
      if (relative === '') refuseMember('/', 'is the root, which cannot be removed');
      const place = await tree.place(relative);
      if (place !== undefined) await remove(tree, place);
    }
  } finally {
    tree.forget();
  }
}

const opaque = '.wh..wh..opq';

async function putMember(tree: Tree, member: TarMember, isLayer: boolean): Promise<void> {
  const path = rootPath(member.name);
  if (path === '') {
    if (member.type !== 'directory') refuseMember(member.name, 'has no name');
    await changeOwner(tree.root, member.uid, member.gid);
    return await changeMode(tree.root, member.mode);
  }
  const place = (await tree.place(path, 0o755)) as Place;
  if (isLayer && place.name.startsWith(whiteout)) return await removeByWhiteout(tree, place);
  const { type } = member;
  if (type === 'character device' || type === 'block device') refuseMember(path, `is a ${type}`);
  if (type === 'directory') return await putDirectory(tree, place, member);
  if (type === 'symlink' && (member.link === '' || member.link.includes('\0'))) {
    refuseMember(path, 'is a symbolic link to nothing');
  }
  await remove(tree, place);
  switch (type) {
    case 'file':
      return await putFile(place, member);
    case 'link':
      return await putLink(tree, path, member);
    case 'symlink':
      await makeSymlink(Buffer.from(member.link, 'latin1'), entryPath(place.directory, place.name));
      break;
    case 'fifo':
      makeFifo(entryPath(place.directory, place.name), 0o600);
  }
  await describeByPath(place, member);
}

/** The path of a member below the root. */
function rootPath(name: string): string {
  if (name.startsWith('/')) refuseMember(name, 'has an absolute path');
  if (name.includes('\0')) refuseMember(name, 'has a name with a NUL');
  const parts = name.split('/').filter((part) => part !== '' && part !== '.');
  if (parts.includes('..')) refuseMember(name, 'leads outside');
  if (parts.length > maxDepth) refuseMember(name, 'is too deep');
  const isTooLong = name.length > maxPath || parts.some((part) => part.length > maxName);
  if (isTooLong) refuseMember(name, 'has a name that is too long');
  return parts.join('/');
}

async function removeByWhiteout(tree: Tree, place: Place): Promise<void> {
  const { directory, name } = place;
  // Engines write no opaque directory into what a container has changed.
  if (name === opaque) refuseMember(name, 'hides a whole directory');
  await remove(tree, { directory, name: name.slice(whiteout.length) });
}

/** Makes room for a member. */
async function remove(tree: Tree, { directory, name }: Place): Promise<void> {
  if (name === '' || name === '.' || name === '..') refuseMember(name, 'leads outside');
  const path = entryPath(directory, name);
  const code = await unlinkEntry(path).then(() => undefined, errnoOf);
  if (code === undefined || code === 'ENOENT') return;
  await removeTree(directory, name);
  // It could be the directory of the last member, or one above that.
  if (directory === tree.root) tree.forget();
}

async function putDirectory(tree: Tree, place: Place, member: TarMember): Promise<void> {
  const path = entryPath(place.directory, place.name);
  const there = await statEntry(path).catch(() => undefined);
  if (there?.isDirectory() !== true) {
    if (there !== undefined) await remove(tree, place);
    await makeDirectory(path, 0o700);
  }
  await describeByPath(place, member);
}

async function putFile(place: Place, member: TarMember): Promise<void> {
  const fd = await createFile(place);
  try {
    await writeAll(fd, member.content);
    await changeOwner(fd, member.uid, member.gid);
    // The owner comes first: a change of it takes the set-user-ID bit away.
    await changeMode(fd, member.mode);
    await changeTimes(fd, member.mtime, member.mtime);
  } finally {
    closeSync(fd);
  }
  putAttributes(place, member);
}

/** A second name of a file that is below the root already. */
async function putLink(tree: Tree, path: string, { link: target, name }: TarMember): Promise<void> {
  const to = rootPath(target);
  // The places of a tree stay open one at a time.
  const from = new Tree(tree.root);
  try {
    const source = to === '' ? undefined : await from.place(to);
    if (source === undefined) refuseMember(name, 'is a link to what is not there');
    const place = (await tree.place(path)) as Place;
    await makeLink(
      entryPath(source.directory, source.name),
      entryPath(place.directory, place.name),
    ).catch((error: unknown) => {
      const code = errnoOf(error);
      if (code === 'ENOENT') refuseMember(name, 'is a link to what is not there');
      if (code === 'EPERM') refuseMember(name, 'is a link to a directory');
      throw error;
    });
  } finally {
    from.forget();
  }
}

/** Gives what has no descriptor its owner, mode and time. No link is followed. */
async function describeByPath(place: Place, member: TarMember): Promise<void> {
  const path = entryPath(place.directory, place.name);
  await changeLinkOwner(path, member.uid, member.gid);
  // A symbolic link has no mode.
  if (member.type !== 'symlink') await changeModeByPath(path, member.mode);
  await changeLinkTimes(path, member.mtime, member.mtime);
  putAttributes(place, member);
}

/** What a container can see of its files. Those of overlayfs and the like are not its own. */
const itsOwn = /^(?:security\.capability|system\.posix_acl_(?:access|default)|user\..+)$/;

function putAttributes({ directory, name }: Place, { attributes }: TarMember): void {
  for (const [attribute, value] of attributes) {
    if (!itsOwn.test(attribute)) continue;
    try {
      setAttribute(entryPath(directory, name), attribute, value);
    } catch (error) {
      const isBad = error instanceof CriuError && error.errno === constants.errno.EINVAL;
      if (isBad) refuseMember(name, `has an extended attribute ${attribute} that cannot be`);
      throw error;
    }
  }
}
