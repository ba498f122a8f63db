import { join } from 'node:path';
import type { Host } from '../../linux/host.js';
import { JsonValue, readStateFile } from '../state/json-value.js';
import type { Daemon } from './daemons.js';
import { pathIn, tomlIn } from './toml.js';

/** How an engine is told where to have something. */
interface Configuration {
  /** The configuration file that it reads unless it is told otherwise. */
  file: string;
  /** The flag of its daemon that names another one. */
  flag: string;
  /** Reads the path of a name in such a file; undefined where it has none. */
  read: (file: string, name: string) => Promise<string | undefined>;
}

const docker: Configuration = {
  file: '/etc/docker/daemon.json',
  flag: 'config-file',
  async read(file, name) {
    const text = await readStateFile(file);
    const value = text === undefined ? undefined : JsonValue.parse(file, text).get(name);
    return value === undefined || value.absent ? undefined : value.absolutePath();
  },
};

const containerd: Configuration = {
  file: '/etc/containerd/config.toml',
  flag: 'config',
  read: async (file, name) => pathIn(await tomlIn(file), name),
};

/**
 * The directories that docker has for something: the usual one, those of its configuration files and those
 * of the command lines of its daemons.
 *
 * @param name - What docker calls it, in both places.
 */
export function dockerDirectories(
  name: 'data-root' | 'exec-root',
  usual: string,
  daemons: readonly Daemon[],
  host: Host,
): Promise<Set<string>> {
  return directoriesOf(docker, name, usual, daemons, host);
}

/** The same of containerd. */
export function containerdDirectories(
  name: 'root' | 'state',
  usual: string,
  daemons: readonly Daemon[],
  host: Host,
): Promise<Set<string>> {
  return directoriesOf(containerd, name, usual, daemons, host);
}

async function directoriesOf(
  { file: usualFile, flag, read }: Configuration,
  name: string,
  usual: string,
  daemons: readonly Daemon[],
  { systemRoot }: Host,
): Promise<Set<string>> {
  const given = (wanted: string): string[] => daemons.flatMap((daemon) => daemon.flag(wanted));
  const configured: string[] = [];
  for (const file of new Set([usualFile, ...given(flag)])) {
    const path = await read(join(systemRoot, file), name);
    if (path !== undefined) configured.push(path);
  }
  return new Set([usual, ...configured, ...given(name)].map((path) => join(systemRoot, path)));
}
