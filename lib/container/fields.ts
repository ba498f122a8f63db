import { constants } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { CriuError, reason } from '../base/errors.js';
import { savedContainerFile } from '../images/saved-container.js';
import { boundHierarchies, hierarchyName, ownHierarchies } from '../linux/cgroup.js';
import { cgroupYard } from '../linux/cgroup-yard.js';
import { fileModes } from '../linux/file-modes.js';
import { type Host, realHost } from '../linux/host.js';
import { exists } from '../linux/paths.js';
import { resolveAllInRoot } from '../linux/secure-join.js';
import type { CriuFields } from '../native/contract.js';
import { criuNumber } from '../options/fields.js';
import { type ContainerState, namespaceOf } from './state/container.js';
import { freezerPathOf } from './state/status.js';

const { S_IFDIR, S_IFMT } = constants;

/** What a container adds to a request. */
interface ContainerFields {
  fields: CriuFields;
  /** The marker that runc keeps in the state directory. */
  postDumpFile?: string;
  /** Name and text of what goes into the images directory beside CRIU's images. */
  imageFiles?: readonly (readonly [string, string])[];
}

/** A mount point and what stands for it at the restore. */
type ExternalMount = readonly [key: string, value: string];

/**
 * The request's part that follows from the container and not from options, as its own runtime fills
 * it in, for that runtime to restore from. A pre-dump has no mounts and descriptors: only memory is
 * written.
 */
export async function containerFields(
  container: ContainerState,
  { preDump }: { preDump: boolean },
  host: Host = realHost,
): Promise<ContainerFields> {
  const isRunc = container.runtime === 'runc';
  const freezer = await freezerPathOf(container, host);
  const configFile = await criuConfigFile(container);
  const external = await externalNamespaces(container);
  // Others do the one, while we do the other.
  const [mounts, yard] = await Promise.all([
    preDump ? [] : mountsOf(container, host),
    cgroupYard(host),
  ]);
  const fields: CriuFields = {
    root: container.rootfs,
    manage_cgroups: true,
    ...(yard === undefined ? {} : { cgroup_yard: yard }),
    orphan_pts_master: true,
    // runc does not manage network devices; crun has CRIU keep the network namespace whole.
    ...(isRunc ? { empty_ns: criuNumber('emptyNs', 'network') } : {}),
    ...(configFile === '' ? {} : { config_file: configFile }),
    ...(external.length === 0 ? {} : { external }),
    ...(freezer === undefined ? {} : { freeze_cgroup: freezer }),
  };
  if (preDump) return { fields };
  if (mounts.length > 0) fields['ext_mnt'] = mounts;
  return {
    fields,
    ...(isRunc ? { postDumpFile: join(container.stateDir, 'checkpoint') } : {}),
    imageFiles: [['descriptors.json', container.descriptorsJson], savedContainerFile(container)],
  };
}

/**
 * The file of options that CRIU reads on top of the request. An annotation names another one; to
 * runc an empty annotation means none.
 */
async function criuConfigFile({ annotations, runtime }: ContainerState): Promise<string> {
  const annotated = annotations.get('org.criu.config');
  if (annotated !== undefined) return annotated;
  if (runtime === 'crun' && (await exists('/etc/criu/crun.conf'))) return '/etc/criu/crun.conf';
  return '/etc/criu/runc.conf';
}

/**
 * A network or pid namespace that was there before the container is not dumped; the restore puts
 * the tasks into the one that goes by this key.
 */
async function externalNamespaces(container: ContainerState): Promise<readonly string[]> {
  const external: string[] = [];
  for (const [type, key] of [
    ['net', 'extRootNetNS'],
    ['pid', 'extRootPidNS'],
  ] as const) {
    const path = namespaceOf(container, type)?.path ?? '';
    if (path === '') continue;
    try {
      external.push(`${type}[${(await stat(path, { bigint: true })).ino}]:${key}`);
    } catch (cause) {
      throw new CriuError(
        'ERR_CONTAINER_STATE',
        `The ${type} namespace that container ${JSON.stringify(container.id)} joined cannot be ` +
          `read: ${reason(cause)}`,
        { cause },
      );
    }
  }
  return external;
}

function mountsOf(container: ContainerState, host: Host): Promise<readonly ExternalMount[]> {
  return container.runtime === 'runc' ? runcMounts(container, host) : crunMounts(container, host);
}

async function runcMounts(
  container: ContainerState,
  host: Host,
): Promise<readonly ExternalMount[]> {
  const destinations: string[] = [];
  // On the unified hierarchy, and in a cgroup namespace, these are mounts of the container's own.
  const ownCgroups = (await host.unified()) || namespaceOf(container, 'cgroup') !== undefined;
  for (const { type, destination } of container.mounts) {
    if (type === 'bind') destinations.push(destination);
    if (type === 'cgroup' && !ownCgroups) {
      for (const mountpoint of await boundHierarchies(host)) {
        destinations.push(join(destination, mountpoint.slice(mountpoint.lastIndexOf('/'))));
      }
    }
  }
  const [inside, masked] = await Promise.all([
    inContainer(container, [...destinations, ...container.devices]),
    maskedFiles(container, host),
  ]);
  // runc has them in this order.
  const devices = inside.slice(destinations.length);
  return [...inside.slice(0, destinations.length), ...masked, ...devices];
}

/** Mount points as they are seen in the container, whose links and `..` cannot leave its root. */
async function inContainer(
  { rootfs }: ContainerState,
  destinations: readonly string[],
): Promise<readonly ExternalMount[]> {
  const root = rootfs.replace(/\/+$/, '');
  const inside = destinations.map((destination) =>
    destination.startsWith(rootfs) ? destination.slice(rootfs.length) : destination,
  );
  return (await resolveAllInRoot(root, inside)).map((path) => [path, path]);
}

/** A masked file is `/dev/null` bound over it; a masked directory is a tmpfs, which CRIU dumps. */
async function maskedFiles(
  { maskPaths, initPid, id }: ContainerState,
  host: Host,
): Promise<readonly ExternalMount[]> {
  const places = maskPaths.map((path) => `${host.procRoot}/${initPid}/root/${path}`);
  const modes = await fileModes(places);
  return maskPaths.flatMap((path, index): ExternalMount[] => {
    const mode = modes[index] ?? 0;
    if (typeof mode === 'number') return (mode & S_IFMT) === S_IFDIR ? [] : [[path, '/dev/null']];
    if (mode === 'ENOENT' || mode === 'ENOTDIR') return [];
    throw new CriuError(
      'ERR_CONTAINER_STATE',
      `The masked path ${path} of container ${JSON.stringify(id)} cannot be read: ${mode}`,
    );
  });
}

async function crunMounts(
  container: ContainerState,
  host: Host,
): Promise<readonly ExternalMount[]> {
  const bound: string[] = [];
  if (!(await host.unified()) && container.mounts.some(({ type }) => type === 'cgroup')) {
    for (const hierarchy of await ownHierarchies(host)) {
      const name = hierarchyName(hierarchy);
      if (name !== '') bound.push(join('/sys/fs/cgroup', name));
    }
  }
  const binds = container.mounts.filter(({ type }) => type === 'bind');
  return [
    ...bound.map((path): ExternalMount => [path, path]),
    ...(await inContainer(
      container,
      binds.map(({ destination }) => destination),
    )),
    ...(await crunMasked(container)),
  ];
}

/**
 * crun looks at the paths outside the container and keeps the path itself as the key. Newer ones
 * mask directories with one shared empty directory, older ones with a tmpfs that CRIU dumps.
 */
async function crunMasked({
  maskPaths,
  stateRoot,
}: ContainerState): Promise<readonly ExternalMount[]> {
  const emptyDirectory = join(stateRoot, '.empty-directory');
  const sharesEmpty = await exists(emptyDirectory);
  const masked: ExternalMount[] = [];
  let shared = false;
  for (const path of maskPaths) {
    const entry = await stat(path).catch(() => undefined);
    if (entry?.isFile()) masked.push([path, path]);
    if (!entry?.isDirectory() || !sharesEmpty) continue;
    if (!shared) masked.push([emptyDirectory, emptyDirectory]);
    shared = true;
    masked.push([path, emptyDirectory]);
  }
  return masked;
}
