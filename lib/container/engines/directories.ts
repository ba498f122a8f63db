import { join } from 'node:path';
import type { Host } from '../../linux/host.js';
import { JsonValue, readStateFile } from '../state/json-value.js';
import type { Daemon } from './daemons.js';
import { pathIn, tomlIn } from './toml.js';

/**
 * The directories that docker has for something: the usual one, those of its configuration files and those
 * of the command lines of its daemons.
 *
 * @param name - What docker calls it, in both places.
 */
export async function dockerDirectories(
  name: 'data-root' | 'exec-root',
  usual: string,
  daemons: readonly Daemon[],
  host: Host,
): Promise<Set<string>> {
  const files = ['/etc/docker/daemon.json', ...daemons.flatMap(({ flag }) => flag('config-file'))];
  const configured: string[] = [];
  for (const path of new Set(files)) {
    const file = join(host.systemRoot, path);
    const text = await readStateFile(file);
    const value = text === undefined ? undefined : JsonValue.parse(file, text).get(name);
    if (value !== undefined && !value.absent) configured.push(value.absolutePath());
  }
  return onHost([usual, ...configured, ...daemons.flatMap(({ flag }) => flag(name))], host);
}

/** The same of containerd. */
export async function containerdDirectories(
  name: 'root' | 'state',
  usual: string,
  daemons: readonly Daemon[],
  host: Host,
): Promise<Set<string>> {
  const files = ['/etc/containerd/config.toml', ...daemons.flatMap(({ flag }) => flag('config'))];
  const configured: string[] = [];
  for (const file of new Set(files)) {
    const path = pathIn(await tomlIn(join(host.systemRoot, file)), name);
    if (path !== undefined) configured.push(path);
  }
  return onHost([usual, ...configured, ...daemons.flatMap(({ flag }) => flag(name))], host);
}

function onHost(paths: readonly string[], { systemRoot }: Host): Set<string> {
  return new Set(paths.map((path) => join(systemRoot, path)));
}
