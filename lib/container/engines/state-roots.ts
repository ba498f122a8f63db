import { readdir, realpath } from 'node:fs/promises';
import { join } from 'node:path';
import type { Host } from '../../linux/host.js';
import { leadsNowhere } from '../../linux/paths.js';
import { JsonValue, readStateFile } from '../state/json-value.js';
import { crunStateRoot, runcStateRoot } from '../state/read.js';
import { type Daemon, daemonsCalled } from './daemons.js';
import { containerdDirectories, dockerDirectories } from './directories.js';
import { containerdBundles } from './identify.js';
import { pathIn, tableIn, tomlIn } from './toml.js';

/**
 * The directories in which runtimes keep the state of the containers that somebody may have on this
 * machine: those of runc and crun, which podman and CRI-O use as well, and those of docker and of each
 * namespace of containerd. No daemon is asked.
 *
 * @param daemons - Whether to look at the command lines of daemons as well, which takes a look at every
 * process.
 */
export async function stateRoots(
  host: Host,
  { daemons = false }: { daemons?: boolean } = {},
): Promise<string[]> {
  const [docker, containerd] = daemons
    ? await daemonsCalled(['dockerd', 'containerd'], host)
    : [[], []];
  const found = await Promise.all([
    defaultStateRoots(host),
    crioRoots(host),
    dockerRoots(docker, host),
    containerdRoots(containerd, host),
  ]);
  // A way through a symbolic link, such as /var/run, leads to the same containers.
  const real = await Promise.all(found.flat().map((root) => realpath(root).catch(() => undefined)));
  return [...new Set(real.filter((root) => root !== undefined))];
}

/** Where runc and crun keep the state of their containers unless they are told otherwise. */
export async function defaultStateRoots(host: Host): Promise<string[]> {
  return [await runcStateRoot(host), crunStateRoot(host)];
}

/** docker has one for each runtime: `EXEC-ROOT/runtime-runc/moby`. */
async function dockerRoots(daemons: readonly Daemon[], host: Host): Promise<string[]> {
  const roots: string[] = [];
  for (const execRoot of await dockerDirectories('exec-root', '/run/docker', daemons, host)) {
    for (const name of await entriesOf(execRoot)) {
      if (name.startsWith('runtime-')) roots.push(join(execRoot, name, 'moby'));
    }
  }
  return roots;
}

/** containerd has one for each of its namespaces. */
async function containerdRoots(daemons: readonly Daemon[], host: Host): Promise<string[]> {
  const common = join(host.systemRoot, '/run/containerd/runc');
  const roots = (await entriesOf(common)).map((namespace) => join(common, namespace));
  for (const state of await containerdDirectories('state', '/run/containerd', daemons, host)) {
    const bundles = join(state, containerdBundles);
    for (const namespace of await entriesOf(bundles)) {
      for (const id of await entriesOf(join(bundles, namespace))) {
        const root = await runtimeRootOf(join(bundles, namespace, id));
        if (root !== undefined) roots.push(join(root, namespace));
      }
    }
  }
  return roots;
}

/** The state root that a container's runtime was given, if it was not the usual one. */
async function runtimeRootOf(bundle: string): Promise<string | undefined> {
  const file = join(bundle, 'options.json');
  const text = await readStateFile(file);
  if (text === undefined) return undefined;
  return JsonValue.parse(file, text).get('root').optionalString() || undefined;
}

/** CRI-O has those of the runtimes in its configuration. */
async function crioRoots(host: Host): Promise<string[]> {
  const etc = join(host.systemRoot, '/etc/crio');
  const drops = join(etc, 'crio.conf.d');
  const files = [
    join(etc, 'crio.conf'),
    ...(await entriesOf(drops)).map((name) => join(drops, name)),
  ];
  const roots: string[] = [];
  for (const file of files) {
    const crio = tableIn(await tomlIn(file), 'crio');
    const runtimes = tableIn(tableIn(crio, 'runtime'), 'runtimes');
    for (const name of Object.keys(runtimes)) {
      const root = pathIn(tableIn(runtimes, name), 'runtime_root');
      if (root !== undefined) roots.push(join(host.systemRoot, root));
    }
  }
  return roots;
}

async function entriesOf(directory: string): Promise<string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    if (leadsNowhere(error)) return [];
    throw error;
  }
}
