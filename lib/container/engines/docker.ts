import { dirname, join } from 'node:path';
import type { ContainerState } from '../state/container.js';
import { JsonValue, readStateFile } from '../state/json-value.js';
import type { AfterKill, EngineFacts } from './engine.js';

/** How docker's files know a container. */
export async function dockerFacts(state: ContainerState): Promise<EngineFacts> {
  const config = await configurationOf(state, 'config.v2.json');
  const name = config?.get('Name').optionalString().replace(/^\//, '') || state.id;
  const image = config?.get('Config').get('Image').optionalString() || undefined;
  const imageId =
    config
      ?.get('Image')
      .optionalString()
      .replace(/^sha256:/, '') || undefined;
  return { name, names: [name], image, imageId };
}

/** Killed by CRIU a container has failed: every policy but `no` starts it anew. */
export async function dockerAfterKill(state: ContainerState): Promise<AfterKill | undefined> {
  const host = await configurationOf(state, 'hostconfig.json');
  if (host === undefined) return undefined;
  if (host.get('AutoRemove').optionalBoolean()) return 'removes';
  const policy = host.get('RestartPolicy').get('Name').optionalString();
  return policy === '' || policy === 'no' ? undefined : 'restarts';
}

/**
 * Whether docker gives the container a network. It gives none where its daemon has no default network and no
 * other was asked for.
 *
 * @returns undefined where its files do not tell.
 */
export async function dockerHasNetwork(state: ContainerState): Promise<boolean | undefined> {
  const config = await configurationOf(state, 'config.v2.json');
  if (config === undefined) return undefined;
  return !config.get('Config').get('NetworkDisabled').optionalBoolean();
}

async function configurationOf(
  state: ContainerState,
  name: string,
): Promise<JsonValue | undefined> {
  const directory = dockerDirectory(state);
  if (directory === undefined) return undefined;
  const file = join(directory, name);
  const text = await readStateFile(file);
  return text === undefined ? undefined : JsonValue.parse(file, text);
}

/** What docker mounts into every container from the directory of its configuration. */
const mountedFiles = ['hostname', 'hosts', 'resolv.conf'];

/** `DATA-ROOT/containers/ID`, wherever docker's data root is. */
export function dockerDirectory({ id, mounts }: ContainerState): string | undefined {
  const mounted = mounts.find(({ source }) =>
    mountedFiles.some((name) => source.endsWith(`/containers/${id}/${name}`)),
  );
  return mounted === undefined ? undefined : dirname(mounted.source);
}

/** The name of an image of docker as others know it: docker leaves out its own registry. */
export function qualifiedName(image: string): string {
  if (/^(?:sha256:)?[0-9a-f]{64}$/.test(image)) return image;
  const tagged = /[:@][^/]*$/.test(image) ? image : `${image}:latest`;
  const [first = '', ...more] = tagged.split('/');
  if (more.length === 0) return `docker.io/library/${tagged}`;
  return /[.:]|^localhost$/.test(first) ? tagged : `docker.io/${tagged}`;
}
