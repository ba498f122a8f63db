import { closeSync, constants, existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, rm, statfs } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import type { Deadline } from '../../base/deadline.js';
import { ContradictionError } from '../../base/errors.js';
import { openFd, readFile, statFd, writeFile } from '../../base/files.js';
import type { Scope } from '../../base/scope.js';
import { option, sentence } from '../../base/sentence.js';
import { findLayers } from '../../container/engines/layers/find.js';
import { findRuntime } from '../../container/runtime.js';
import { realHost } from '../../linux/host.js';
import { ownMounts } from '../../linux/mountinfo.js';
import { exists, isBelow } from '../../linux/paths.js';
import { requireTrusted, requireTrustedAddon } from '../../linux/trusted.js';
import type { ValidatedOptions } from '../../options/validated.js';
import { FileBytes } from '../bytes.js';
import { extract, openDestination } from '../extract.js';
import { readingArchive, refuseArchive } from '../fault.js';
import { Told } from '../json.js';
import { Count } from '../limits.js';
import { members as names } from '../members.js';
import { rootfsLayer } from '../oci-source.js';
import type { OpenedCheckpoint } from '../open-source.js';
import { removeFromRoot, unpackRoot } from '../unpack-root.js';
import { copyLayers, copyTree } from './copy-tree.js';
import { type MadeSource, type MountFacts, parseVolumes, planMounts, trimmed } from './mounts.js';
import { type Hook, importedSpec, parseSpec, type Spec, type SpecMount } from './spec.js';

/** Where bundles are made that nobody has named a place for. */
export const bundlesRoot = '/var/lib/libcriu/containers';

/** A bundle that was made of a checkpoint. */
interface ImportedBundle {
  /** Absolute. */
  path: string;
  warnings: string[];
}

type Options = Pick<
  ValidatedOptions['restoreContainer'],
  'rootfs' | 'volumes' | 'joinNs' | 'maxEntries' | 'maxBytes' | 'maxRatio'
>;

/** A bundle in the making. */
interface Making {
  readonly checkpoint: OpenedCheckpoint;
  readonly options: Options;
  readonly deadline: Deadline;
  readonly path: string;
  readonly scope: Scope;
}

/**
 * Makes a bundle of a checkpoint: its images and specification, and a copy of the root file system with
 * what the container has changed in it.
 *
 * @param path - Of an empty directory, or one that is to be made.
 * @param scope - Takes away what was made when it is closed.
 */
export async function makeBundle(
  id: string,
  path: string,
  checkpoint: OpenedCheckpoint,
  options: Options,
  deadline: Deadline,
  scope: Scope,
): Promise<ImportedBundle> {
  const root = await rootOf(checkpoint, options, deadline);
  await requireTrustedAddon();
  const spec = parseSpec(checkpoint.texts.get(names.specDump)?.toString('utf8') ?? '');
  const facts = mountFacts(checkpoint, options);
  // All that can be refused is, before anything is written.
  const planned = await planMounts(spec.mounts ?? [], facts);
  const changes = {
    id,
    joinNs: options.joinNs ?? [],
    hasSystemd: existsSync('/run/systemd/system'),
    exists,
  };
  await importedSpec(spec, { ...changes, mounts: [], poststop: [] });
  const making = await begin(path, checkpoint, options, deadline, scope);
  await makeRoot(making, root.copy);
  const poststop: Hook[] = [];
  const mounts: SpecMount[] = [];
  for (const { mount, made } of planned) {
    if (made === undefined) mounts.push(mount);
    else mounts.push({ ...mount, source: await makeSource(making, made, poststop, spec) });
  }
  const imported = await importedSpec(spec, { ...changes, mounts, poststop });
  await writeFile(join(making.path, 'config.json'), JSON.stringify(imported.spec), { mode: 0o600 });
  await removeUnpacked(making.path);
  return { path: making.path, warnings: [...root.warnings, ...imported.warnings] };
}

/**
 * Unpacks the images of a checkpoint for a bundle that is there.
 *
 * @returns the directory of the images.
 */
export async function unpackImages(
  path: string,
  checkpoint: OpenedCheckpoint,
  options: Options,
  deadline: Deadline,
  scope: Scope,
): Promise<string> {
  const { path: made } = await begin(path, checkpoint, options, deadline, scope);
  return join(made, names.checkpoint);
}

/** The files of a container's image. */
interface ImageRoot {
  copy: (to: string, signal: AbortSignal) => Promise<void>;
  warnings: readonly string[];
}

/** Finds the files of the container's image: those of the option, or those that an engine here has. */
async function rootOf(
  checkpoint: OpenedCheckpoint,
  { rootfs }: Options,
  deadline: Deadline,
): Promise<ImageRoot> {
  if (rootfs !== undefined) {
    await requireTrusted('the root file system', rootfs);
    return { copy: (to, signal) => copyTree(rootfs, to, signal), warnings: [] };
  }
  const { info, texts } = checkpoint;
  const config = Told.parse(names.configDump, texts.get(names.configDump));
  const id = /^[0-9a-f]{64}$/.exec(config.get('rootfsImageID').text ?? '')?.[0];
  const wanted = { name: info.image, id, engine: info.engine };
  const found = await deadline.bound('archive', findLayers(wanted, realHost));
  if (found === undefined) throw noRootfs(info.image);
  const warning = `The files are those of the image that ${found.owner} calls ${info.image} now: the checkpoint does not tell its id`;
  const warnings = id === undefined ? [warning] : [];
  return { copy: (to, signal) => copyLayers(found.directories, to, signal), warnings };
}

function noRootfs(image: string | undefined): ContradictionError {
  const why =
    image === undefined
      ? 'the checkpoint does not tell its image'
      : `no engine of this machine has the image ${image} of the checkpoint`;
  return new ContradictionError(
    ['from', 'rootfs'],
    sentence`${option('from')} needs ${option('rootfs')}, the directory with the files of the image, as podman
      image mount has them: ${why}`,
  );
}

function mountFacts({ info, texts }: OpenedCheckpoint, { volumes = [] }: Options): MountFacts {
  const config = Told.parse(names.configDump, texts.get(names.configDump));
  const archived = new Map<string, string>();
  for (const volume of config.get('namedVolumes').list) {
    const [name, dest] = [volume.get('volumeName').text, volume.get('dest').text];
    const hasContent = name !== undefined && info.volumes.includes(name);
    if (hasContent && dest !== undefined) archived.set(trimmed(dest), name);
  }
  return { volumes: parseVolumes(volumes), archived, exists };
}

async function begin(
  path: string,
  checkpoint: OpenedCheckpoint,
  options: Options,
  deadline: Deadline,
  scope: Scope,
): Promise<Making> {
  const destination = await openDestination('bundle', path);
  const making = { checkpoint, options, deadline, scope, path: destination.path };
  scope.defer(async () => {
    // A runtime that has failed may have left something mounted there, which is not ours to remove.
    const isMounted = ownMounts().some(({ mountpoint }) => isBelow(mountpoint, making.path));
    if (!isMounted) await destination.discard();
  });
  const { source, info } = checkpoint;
  try {
    const count = countFor(making);
    await readingArchive(info.path, () => extract(source, info.bytes, count, destination));
  } finally {
    destination.close();
  }
  return making;
}

function countFor({ options, deadline }: Pick<Making, 'options' | 'deadline'>): Count {
  return new Count(options, () => deadline.check('archive'));
}

async function makeRoot(making: Making, copyRoot: ImageRoot['copy']): Promise<void> {
  const { path, deadline } = making;
  const root = join(path, 'rootfs');
  await mkdir(root, { mode: 0o755 });
  await copyRoot(root, deadline.signal);
  deadline.check('archive');
  await unpackOver(making, join(path, names.rootfsDiff), root);
  await unpackOver(making, join(path, rootfsLayer), root, true);
  const deleted = join(path, names.deletedFiles);
  if (!existsSync(deleted)) return;
  await readingArchive(making.checkpoint.info.path, async () => {
    const paths = pathsIn(Told.parse(names.deletedFiles, await readFile(deleted)));
    await withDirectory(root, (fd) => removeFromRoot(fd, paths));
  });
}

/** The list of `deleted.files`, which is `null` where there are none. */
function pathsIn(told: Told): string[] {
  const { value } = told;
  const isList = Array.isArray(value) && value.every((path) => typeof path === 'string');
  if (isList) return value;
  return value === null ? [] : refuseArchive(`its ${names.deletedFiles} is no list of paths`);
}

/** Unpacks one of the archives in the checkpoint, if it is there. */
async function unpackOver(
  making: Making,
  archive: string,
  directory: string,
  isLayer = false,
): Promise<void> {
  if (!existsSync(archive)) return;
  const fd = await openFd(archive, constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    const bytes = new FileBytes(fd, 0, (await statFd(fd)).size);
    await withDirectory(directory, (root) =>
      readingArchive(making.checkpoint.info.path, () =>
        unpackRoot(root, { bytes, count: countFor(making), isLayer }),
      ),
    );
  } finally {
    closeSync(fd);
  }
}

async function withDirectory(path: string, run: (fd: number) => Promise<void>): Promise<void> {
  const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW } = constants;
  const fd = await openFd(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  try {
    await run(fd);
  } finally {
    closeSync(fd);
  }
}

/** Makes what an engine had made for a mount, and gives its path. */
async function makeSource(
  making: Making,
  made: MadeSource,
  poststop: Hook[],
  spec: Spec,
): Promise<string> {
  switch (made.kind) {
    case 'shm':
      return await makeShm(making, poststop);
    case 'volume': {
      const path = join(making.path, `volume-${Buffer.from(made.name).toString('hex')}`);
      await mkdir(path, { mode: 0o755 });
      await unpackOver(making, join(making.path, names.volumes, `${made.name}.tar`), path);
      return path;
    }
    case 'directory': {
      const path = engineFile(making, made.destination);
      await mkdir(path, { mode: 0o755 });
      return path;
    }
    case 'file': {
      const path = engineFile(making, made.destination);
      await writeFile(path, await contentOf(made.destination, spec), { mode: 0o644 });
      return path;
    }
  }
}

function engineFile({ path }: Making, destination: string): string {
  return join(path, destination.slice(1).replaceAll('/', '-'));
}

/** What this machine has there, which is what engines give a container. */
async function contentOf(destination: string, spec: Spec): Promise<string> {
  if (destination === '/etc/hostname') {
    return `${typeof spec['hostname'] === 'string' ? spec['hostname'] : hostname()}\n`;
  }
  if (destination !== '/etc/hosts' && destination !== '/etc/resolv.conf') return '';
  return await readFile(destination, 'utf8').catch(() => '');
}

const tmpfsMagic = 0x01021994;
const shmRoot = '/dev/shm';

/** Shared memory is on a tmpfs, and goes with the container. */
async function makeShm(making: Making, poststop: Hook[]): Promise<string> {
  const isTmpfs = await statfs(shmRoot).then(
    ({ type }) => type === tmpfsMagic,
    () => false,
  );
  const parent = isTmpfs ? await mkdtemp(join(shmRoot, 'libcriu-shm-')) : making.path;
  const path = join(parent, 'shm');
  if (isTmpfs) {
    making.scope.defer(() => rm(parent, { recursive: true, force: true }));
    poststop.push({ path: await findRuntime('rm'), args: ['rm', '-rf', parent] });
  }
  await mkdir(path);
  await chmod(path, 0o1777);
  await unpackOver(making, join(making.path, names.devShm), path);
  return path;
}

/** What was unpacked elsewhere takes its room only once. */
async function removeUnpacked(path: string): Promise<void> {
  for (const name of [names.rootfsDiff, rootfsLayer, names.devShm, names.volumes]) {
    await rm(join(path, name), { recursive: true, force: true });
  }
}
