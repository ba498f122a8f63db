import { dirname, join } from 'node:path';
import type { ContainerState } from '../state/container.js';
import { JsonValue, readStateBytes, readStateFile } from '../state/json-value.js';
import { BoltBucket } from './bolt.js';
import type { AfterKill, EngineFacts } from './engine.js';
import { rowsIn } from './sqlite.js';

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

/** Killed by CRIU a container has failed: every policy but `no` starts it anew. */
export async function podmanAfterKill(state: ContainerState): Promise<AfterKill | undefined> {
  if (state.annotations.get('io.podman.annotations.autoremove') === 'TRUE') return 'removes';
  for await (const { value } of configsOf(state)) {
    const policy = value['restart_policy'];
    if (typeof policy === 'string') return policy === 'no' ? undefined : 'restarts';
  }
  return undefined;
}

/**
 * podman's whole configuration of a container, as the text that its database has.
 *
 * @param name - That of the container. The database may have an older configuration as well, from before
 * a change of the name.
 * @returns undefined where it is not found.
 */
export async function podmanConfig(
  state: ContainerState,
  name: string,
): Promise<string | undefined> {
  for await (const { text, value } of configsOf(state)) {
    if (value['name'] === name) return text;
  }
  return undefined;
}

/** A configuration of a container: an object as podman's database has it, in which numbers may be large. */
interface PodmanConfig {
  text: string;
  value: Readonly<Record<string, unknown>>;
}

/**
 * Those of a container. Older versions of podman keep them in a bolt database, newer ones in SQLite. A
 * database can be large, and is read when those before it did not have what is looked for.
 */
async function* configsOf(state: ContainerState): AsyncGenerator<PodmanConfig> {
  const storage = dirname(containersDirectory(state));
  const libpod = join(storage, 'libpod');
  const readers = [
    () => configsInBolt(join(libpod, 'bolt_state.db'), state.id),
    () => configsInSqlite(join(libpod, 'db.sql')),
    // It lies in the storage itself where podman was told the storage.
    () => configsInSqlite(join(storage, 'db.sql')),
  ];
  for (const read of readers) {
    for (const config of await read()) if (config.value['id'] === state.id) yield config;
  }
}

/** Those of a container in a bolt database, where its networks lie beside its configuration. */
async function configsInBolt(file: string, id: string): Promise<PodmanConfig[]> {
  const database = await readDatabase(file);
  try {
    const container = BoltBucket.open(database).bucket('ctr')?.bucket(id);
    const config = parsed(container?.text('config') ?? '');
    const networks = container?.bucket('networks')?.all() ?? [];
    if (config === undefined || networks.length === 0) return config ? [config] : [];
    const members = networks.map(([name, options]) => `${JSON.stringify(name)}:${options}`);
    const text = config.text.replace('{', () => `{"newNetworks":{${members.join(',')}},`);
    return [{ ...config, text }];
  } catch {
    // It is being written, and its pages are in no order.
    return configsIn(database);
  }
}

async function configsInSqlite(file: string): Promise<PodmanConfig[]> {
  const [database, log] = await Promise.all([readDatabase(file), readDatabase(`${file}-wal`)]);
  return Array.from(rowsIn(database, log)).flatMap(configsIn);
}

/** The content of a database; empty where there is none. */
async function readDatabase(file: string): Promise<Buffer> {
  return (await readStateBytes(file, "podman's database")) ?? Buffer.alloc(0);
}

/** The configurations among other bytes, which begin with the specification in all versions of podman. */
function configsIn(bytes: Buffer): PodmanConfig[] {
  const text = bytes.toString('utf8');
  return Array.from(text.matchAll(/\{"spec":/g)).flatMap(({ index }) => {
    const found = configAt(text, index);
    return found === undefined ? [] : [found];
  });
}

/** The JSON object that begins at an index; undefined where none does. */
function configAt(text: string, start: number): PodmanConfig | undefined {
  const token = /"(?:[^"\\]|\\.)*"|[{}\0]/gs;
  token.lastIndex = start;
  let depth = 0;
  for (let found = token.exec(text); found !== null; found = token.exec(text)) {
    if (found[0] === '\0') return undefined;
    if (found[0] === '{') depth += 1;
    else if (found[0] === '}') depth -= 1;
    if (depth === 0) return parsed(text.slice(start, token.lastIndex));
  }
  return undefined;
}

function parsed(text: string): PodmanConfig | undefined {
  try {
    return { text, value: JSON.parse(text) as PodmanConfig['value'] };
  } catch {
    return undefined;
  }
}
