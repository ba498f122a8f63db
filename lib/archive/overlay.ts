import { closeSync, constants } from 'node:fs';
import { realpath } from 'node:fs/promises';
import { basename, dirname, isAbsolute, join } from 'node:path';
import { openFd, readFile, statFd } from '../base/files.js';
import type { Scope } from '../base/scope.js';
import type { ContainerState } from '../container/state/container.js';
import { splitDevice } from '../linux/device.js';
import type { Host } from '../linux/host.js';
import { type Mount, parseMountinfo } from '../linux/mountinfo.js';
import { openTrusted } from '../linux/trusted.js';

/** The directories of an overlay, open. */
export interface Overlay {
  /** What the container has made or changed. */
  readonly upper: number;
  /** All put together, as the container sees it. */
  readonly merged: number;
  /** The layers of its image. */
  readonly lower: readonly number[];
  /** What the names of the attributes begin with that are the overlay's own. */
  readonly ownAttributes: 'trusted.overlay.' | 'user.overlay.';
}

/**
 * Opens the overlay that is the root file system of a container.
 *
 * @param scope - Closes it.
 * @returns undefined where it is no overlay, as with the storage driver vfs.
 * @throws CriuError `ERR_UNTRUSTED_PATH` when another user can write to where the layers are.
 */
export async function openOverlay(
  container: ContainerState,
  scope: Scope,
  host: Host,
): Promise<Overlay | undefined> {
  const root = await rootMount(container, host);
  if (root?.type !== 'overlay') return undefined;
  const { upper, lower } = directoriesOf(root.options);
  if (upper === undefined || lower.length === 0) return undefined;
  // Engines mount with relative paths where absolute ones would be too long: from the directory that
  // has one directory for each container.
  const absolute = (path: string): string =>
    isAbsolute(path) ? path : join(dirname(dirname(container.rootfs)), path);
  const open = async (path: string): Promise<number> => {
    const fd = await openLayer(absolute(path));
    scope.defer(() => closeSync(fd));
    return fd;
  };
  const opened: number[] = [];
  for (const path of lower) opened.push(await open(path));
  return {
    upper: await open(upper),
    merged: await openMerged(container, root, scope, host),
    lower: opened,
    ownAttributes: ownAttributesOf(root.options),
  };
}

async function rootMount({ initPid }: ContainerState, host: Host): Promise<Mount | undefined> {
  const text = await readFile(`${host.procRoot}/${initPid}/mountinfo`, 'utf8');
  return parseMountinfo(text).findLast(({ mountpoint }) => mountpoint === '/');
}

/** The directories that the options of an overlay name. */
export function directoriesOf(options: readonly string[]): {
  upper: string | undefined;
  lower: string[];
} {
  const values = (name: string): string[] =>
    options
      .filter((option) => option.startsWith(`${name}=`))
      .map((option) => unescapeOctal(option.slice(name.length + 1)));
  const [together = ''] = values('lowerdir');
  const listed = together.split(/(?<!\\):/).map((path) => path.replaceAll('\\:', ':'));
  return {
    upper: values('upperdir')[0],
    // Newer kernels tell each of them, if they were given so.
    lower: [...listed, ...values('lowerdir+')].filter((path) => path !== ''),
  };
}

/** What the names of the attributes begin with that an overlay with these options takes for its own. */
export function ownAttributesOf(options: readonly string[]): Overlay['ownAttributes'] {
  return options.includes('userxattr') ? 'user.overlay.' : 'trusted.overlay.';
}

/** The kernel writes commas, blanks and backslashes in options as three octal digits. */
function unescapeOctal(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 8)),
  );
}

/**
 * Opens a directory of a container, which can have any owner and mode, in a directory of its engine.
 *
 * @throws CriuError `ERR_UNTRUSTED_PATH` when another user can write to that one.
 */
export async function openLayer(path: string): Promise<number> {
  const real = await realpath(path);
  const report = await openTrusted("the container's storage", dirname(real));
  try {
    const flags = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;
    return await openFd(`/proc/self/fd/${report.fd}/${basename(real)}`, flags);
  } finally {
    report.close();
  }
}

/** As the engine has it mounted, or else as the container has, where other mounts may lie over parts. */
async function openMerged(
  { rootfs, initPid }: ContainerState,
  { dev }: Mount,
  scope: Scope,
  host: Host,
): Promise<number> {
  const flags = constants.O_RDONLY | constants.O_DIRECTORY;
  for (const path of [rootfs, `${host.procRoot}/${initPid}/root`]) {
    const fd = await openFd(path, flags).catch(() => undefined);
    if (fd === undefined) continue;
    const { major, minor } = splitDevice(BigInt((await statFd(fd)).dev));
    if (`${major}:${minor}` === dev) {
      scope.defer(() => closeSync(fd));
      return fd;
    }
    closeSync(fd);
  }
  throw new Error(`the overlay of ${rootfs} is not mounted there any more`);
}
