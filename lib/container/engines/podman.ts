import { dirname, join } from 'node:path';
import type { ContainerState } from '../state/container.js';
import { JsonValue, readStateFile } from '../state/json-value.js';
import type { AfterKill, EngineFacts } from './engine.js';

/** How podman's files know a container. */
export async function podmanFacts(state: ContainerState): Promise<EngineFacts> {
  const entry = await entryOf(state.id, join(containersDirectory(state), 'containers.json'));
  const names = entry?.get('names').strings() ?? [];
  return { name: names[0] ?? state.id, names, image: entry && imageIn(entry) };
}

/** The bundle is `GRAPHROOT/overlay-containers/ID/userdata`, wherever `storage.conf` puts that. */
function containersDirectory({ bundle }: ContainerState): string {
  return dirname(dirname(bundle));
}

async function entryOf(id: string, file: string): Promise<JsonValue | undefined> {
  const text = await readStateFile(file);
  if (text === undefined) return undefined;
  const entries = JsonValue.parse(file, text).list();
  return entries.find((entry) => entry.get('id').optionalString() === id);
}

/** containers/storage keeps what is podman's as the text of another object. */
function imageIn(entry: JsonValue): string | undefined {
  const metadata = entry.get('metadata').optionalString();
  if (metadata === '') return undefined;
  const image = JsonValue.parse('metadata in containers.json', metadata).get('image-name');
  return image.optionalString() || undefined;
}

/** It is no text, and is only searched. */
const database = { what: "podman's database", encoding: 'latin1' } as const;

/** Killed by CRIU a container has failed: every policy but `no` starts it anew. */
export async function podmanAfterKill(state: ContainerState): Promise<AfterKill | undefined> {
  const { id, annotations } = state;
  if (annotations.get('io.podman.annotations.autoremove') === 'TRUE') return 'removes';
  const storage = dirname(containersDirectory(state));
  for (const name of databases) {
    const policy = restartPolicyIn((await readStateFile(join(storage, name), database)) ?? '', id);
    if (policy !== undefined) return policy === 'no' ? undefined : 'restarts';
  }
  return undefined;
}

/** Where podman keeps its database below the storage, by its versions and whether it was told the storage. */
const databases = ['libpod/bolt_state.db', 'libpod/db.sql', 'db.sql'] as const;

/**
 * The restart policy of a container, which podman keeps in its database alone. Both of its kinds of
 * databases hold the configuration of a container as the text of one object, in which the policy stands
 * behind the id, so that it is found without a reader of either format. One that is split by the end of
 * a page is not found.
 */
function restartPolicyIn(text: string, id: string): string | undefined {
  const at = text.indexOf(`"id":"${id}","name":`);
  if (at === -1) return undefined;
  const [own = ''] = text.slice(at + 1).split('"id":"', 1);
  return /"restart_policy":"([a-z-]+)"/.exec(own)?.[1];
}
