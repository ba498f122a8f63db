import { dirname, join } from 'node:path';
import type { ContainerState } from '../state/container.js';
import { JsonValue, readStateFile } from '../state/json-value.js';
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
  for (const { value } of await configsOf(state)) {
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
  return (await configsOf(state)).find(({ value }) => value['name'] === name)?.text;
}

/** A configuration of a container: an object as podman's database has it, in which numbers may be large. */
interface PodmanConfig {
  text: string;
  value: Readonly<Record<string, unknown>>;
}

/** Those of a container. Older versions of podman keep them in a bolt database, newer ones in SQLite. */
async function configsOf(state: ContainerState): Promise<PodmanConfig[]> {
  const storage = dirname(containersDirectory(state));
  const libpod = join(storage, 'libpod');
  const bolt = await readDatabase(join(libpod, 'bolt_state.db'));
  const rows = [
    // It lies in the storage itself where podman was told the storage.
    ...(await readSqlite(join(libpod, 'db.sql'))),
    ...(await readSqlite(join(storage, 'db.sql'))),
  ];
  const found = [...configsInBolt(bolt, state.id), ...rows.flatMap(configsIn)];
  return found.filter(({ value }) => value['id'] === state.id);
}

/** Those of a container in a bolt database, where its networks lie beside its configuration. */
function configsInBolt(database: string, id: string): PodmanConfig[] {
  try {
    const container = BoltBucket.open(Buffer.from(database, 'latin1')).bucket('ctr')?.bucket(id);
    const config = parsed(container?.bytes('config')?.toString('latin1') ?? '');
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

/** The content of a database, a byte as a character; empty where there is none. */
async function readDatabase(file: string): Promise<string> {
  return (await readStateFile(file, { what: "podman's database", encoding: 'latin1' })) ?? '';
}

async function readSqlite(file: string): Promise<string[]> {
  const [database, log] = await Promise.all([readDatabase(file), readDatabase(`${file}-wal`)]);
  const bytes = (text: string): Buffer => Buffer.from(text, 'latin1');
  return Array.from(rowsIn(bytes(database), bytes(log)), (row) => row.toString('latin1'));
}

/** The configurations in a text, which begin with the specification in all versions of podman. */
function configsIn(text: string): PodmanConfig[] {
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

function parsed(bytes: string): PodmanConfig | undefined {
  const text = Buffer.from(bytes, 'latin1').toString('utf8');
  try {
    return { text, value: JSON.parse(text) as PodmanConfig['value'] };
  } catch {
    return undefined;
  }
}
