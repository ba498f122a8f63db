import { closeSync, constants, readFileSync, readlinkSync } from 'node:fs';
import { CriuError, errnoOf, invalidArgValue } from '../base/errors.js';
import { openFd } from '../base/files.js';
import type { Scope } from '../base/scope.js';
import { option, sentence } from '../base/sentence.js';
import type { Outputs } from '../images/outputs.js';
import { neededPids } from '../images/pstree.js';
import { ownMounts } from '../linux/mountinfo.js';
import type { NativeClone } from '../native/contract.js';
import type { InheritedFd } from '../options/inherited-fd.js';
import type { LimitedCgroup } from '../options/limited-cgroup.js';
import type { CheckedStdio } from '../options/stdio.js';
import type { RestoreOptions } from '../options/types.js';
import { openCgroups } from './clone-cgroup.js';
import { type CloneStreams, openStreams } from './clone-streams.js';

/** The lowest pid that the kernel gives again when it has come to the last one. */
const lowest = 300;
/** How far from the pids of the images criu stays: it takes more for processes that help it. */
const margin = 1000;

/** What there is for a clone beside its images. */
export interface PreparedClone {
  native: NativeClone;
  /** Its standard streams. */
  inherited: readonly InheritedFd[];
  /** A descriptor of the images in which these are. */
  images: number | undefined;
  /** See {@link OpenedStreams}. */
  takeStreams(): CloneStreams;
  /** Removes what was made for the clone when it has ended, and gives on how that was. */
  atEnd<T>(ended: Promise<T>): Promise<T>;
}

/**
 * Opens what a clone needs. It is closed with the scope.
 *
 * @throws CriuError, RangeError as {@link nativeClone} and {@link openStreams} do.
 */
export async function prepareClone(
  outputs: Outputs,
  options: RestoreOptions,
  scope: Scope,
): Promise<PreparedClone> {
  const native = await nativeClone(outputs, options, scope);
  // Validation has made this of the options.
  const stdio = (options.stdio ?? []) as unknown as CheckedStdio;
  const cgroup = options.cgroup as LimitedCgroup | undefined;
  const { inherited, images, take } = await openStreams(stdio, outputs.images, scope);
  const cgroups = cgroup && (await openCgroups(cgroup, scope));
  return {
    native: { ...native, ...(cgroups ? { cgroups: cgroups.descriptors } : {}) },
    inherited,
    images,
    takeStreams: take,
    atEnd: async (ended) => {
      cgroups?.keep();
      try {
        return await ended;
      } finally {
        await cgroups?.remove();
      }
    },
  };
}

/**
 * What the addon has to know of a clone. What is opened for it is closed with the scope.
 *
 * @throws CriuError `ERR_NOT_RESTORABLE` for images that have a pid namespace already.
 * @throws RangeError `ERR_INVALID_ARG_VALUE` for a network namespace that is none.
 */
async function nativeClone(
  { images }: Outputs,
  { hostname, netNamespace, endsWithParent }: RestoreOptions,
  scope: Scope,
): Promise<NativeClone> {
  const { root, all } = await neededPids(images.file('pstree.img'));
  if (root === 1) {
    throw new CriuError(
      'ERR_NOT_RESTORABLE',
      sentence`The images in ${images.path} have a pid namespace of their own: their first process
        has the pid 1, which ${option('pidNamespace', 'new')} cannot give it; restore them without`,
    );
  }
  return {
    root: root ?? -1,
    pidBefore: pidApart(all, largestPid()),
    ...(hostname === undefined ? {} : { hostname }),
    ...(endsWithParent ? { endsWithParent } : {}),
    ...(netNamespace === undefined ? {} : await networkOf(netNamespace, scope)),
  };
}

async function networkOf(
  netNamespace: string,
  scope: Scope,
): Promise<Pick<NativeClone, 'hasNewNetwork' | 'network'>> {
  if (netNamespace === 'new') return { hasNewNetwork: true };
  const refuse = (reason: string): never => {
    const expected = "'new' or the path of a network namespace";
    throw invalidArgValue('netNamespace', expected, netNamespace, reason);
  };
  // What is there instead may be a FIFO, which is not waited for.
  const flags = constants.O_RDONLY | constants.O_NONBLOCK;
  const network = await openFd(netNamespace, flags).catch((error: unknown) =>
    refuse(errnoOf(error) ?? String(error)),
  );
  scope.defer(() => closeSync(network));
  const type = typeOfNamespace(network);
  if (type === undefined) refuse('it is no namespace');
  if (type !== 'net') refuse(`it is one of the type ${type}`);
  return { network };
}

/** The kernel's word for the type of the namespace that is open; undefined for another file. */
function typeOfNamespace(fd: number): string | undefined {
  const link = readlinkSync(`/proc/self/fd/${fd}`);
  const isMounted = link.startsWith('/');
  const mounted = ownMounts().findLast(({ mountpoint }) => mountpoint === link);
  const name = isMounted ? (mounted?.type === 'nsfs' ? mounted.root : '') : link;
  return /^([a-z_]+):\[\d+\]$/.exec(name)?.[1];
}

/**
 * A pid after which there is room for others, none of which is among some pids: in the middle of the
 * largest gap between them, but no farther than needed from its beginning.
 *
 * @param last - The largest pid that there can be.
 */
export function pidApart(pids: ReadonlySet<number>, last: number): number {
  const borders = [lowest, ...[...pids].filter((pid) => pid > lowest && pid < last), last];
  borders.sort((one, other) => one - other);
  let best = { start: lowest, size: 0 };
  for (const [index, start] of borders.entries()) {
    const size = (borders[index + 1] ?? start) - start;
    if (size > best.size) best = { start, size };
  }
  return best.start + Math.min(margin, Math.floor(best.size / 2));
}

function largestPid(): number {
  return Number(readFileSync('/proc/sys/kernel/pid_max', 'latin1')) - 1;
}
