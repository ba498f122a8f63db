import { dirname, join } from 'node:path';
import type { ContainerState } from '../state/container.js';
import { JsonValue, readStateFile } from '../state/json-value.js';
import type { AfterKill, EngineFacts } from './engine.js';

/** How podman's files know a container. */
export async function podmanFacts(state: ContainerState): Promise<EngineFacts> {
  const entry = await entryOf(state.id, join(containersDirectory(state), 'containers.json'));
  const names = entry?.get('names').strings() ?? [];
  const imageId = entry?.get('image').optionalString() || undefined;
  return { name: names[0] ?? state.id, names, image: entry && imageIn(entry), imageId };
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
  for (const text of await databasesOf(state)) {
    const policy = restartPolicyIn(text, id);
    if (policy !== undefined) return policy === 'no' ? undefined : 'restarts';
  }
  return undefined;
}

/** Where podman keeps its database below the storage, by its versions and whether it was told the storage. */
const databases = ['libpod/bolt_state.db', 'libpod/db.sql', 'db.sql'] as const;

async function databasesOf(state: ContainerState): Promise<string[]> {
  const storage = dirname(containersDirectory(state));
  const texts = await Promise.all(
    databases.map((name) => readStateFile(join(storage, name), database)),
  );
  return texts.filter((text) => text !== undefined);
}

/**
 * podman's whole configuration of a container, as the text that its database has.
 *
 * @param name - That of the container. The database may have an older configuration as well, from before
 * a change of the name.
 * @returns undefined where it is not found, or not in one piece.
 */
export async function podmanConfig(
  state: ContainerState,
  name: string,
): Promise<string | undefined> {
  for (const text of await databasesOf(state)) {
    for (const { index } of text.matchAll(/\{"spec":/g)) {
      const found = objectAt(text, index);
      if (found === undefined || !found.includes(`"id":"${state.id}","name":"${name}"`)) continue;
      return Buffer.from(found, 'latin1').toString('utf8');
    }
  }
  return undefined;
}

/** The text of the JSON object that begins at an index; undefined where none does. */
function objectAt(text: string, start: number): string | undefined {
  const token = /"(?:[^"\\]|\\.)*"|[{}\0]/gs;
  token.lastIndex = start;
  let depth = 0;
  for (let found = token.exec(text); found !== null; found = token.exec(text)) {
    if (found[0] === '\0') return undefined;
    if (found[0] === '{') depth += 1;
    else if (found[0] === '}') depth -= 1;
    if (depth > 0) continue;
    const object = text.slice(start, token.lastIndex);
    return isJson(object) ? object : undefined;
  }
  return undefined;
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

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
