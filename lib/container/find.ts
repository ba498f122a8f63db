import { resolve } from 'node:path';
import { CriuError, reason } from '../base/errors.js';
import { type ApiRemark, option, sentence, toApi } from '../base/sentence.js';
import { type Host, realHost } from '../linux/host.js';
import type { EngineName } from '../options/engine-names.js';
import { nearest } from '../options/suggest.js';
import { type CatalogEntry, type CatalogedContainer, entriesIn, readEntry } from './catalog.js';
import { defaultStateRoots, stateRoots } from './engines/state-roots.js';
import { parseReference, type Reference } from './reference.js';
import type { Container, ContainerState } from './state/container.js';
import { validateId } from './state/id.js';
import { readState } from './state/read.js';
import { readStatus } from './state/status.js';

/** Where a container is looked for. */
export interface Places {
  /** The one directory of states in which the id is looked for; without it all that are known. */
  root?: string | undefined;
  /** The engine whose containers count. */
  engine?: EngineName | undefined;
}

/**
 * Finds a container by its id, the beginning of that, or a name that its engine has for it.
 *
 * @param given - With a state root an id, else `web`, `docker:web` or `NAMESPACE/POD/NAME`.
 * @throws TypeError, RangeError for what no container can be called.
 * @throws CriuError `ERR_CONTAINER_NOT_FOUND`, `ERR_CONTAINER_AMBIGUOUS`, `ERR_CONTAINER_CORRUPT`,
 * `ERR_UNTRUSTED_PATH`.
 */
export async function findContainer(
  given: string,
  places: Places = {},
  host: Host = realHost,
): Promise<Container> {
  const state = await findState(given, places, host);
  return { ...state, status: await readStatus(state, host) };
}

/** The same without a look at its processes. */
export async function findState(
  given: string,
  { root, engine }: Places = {},
  host: Host = realHost,
): Promise<ContainerState> {
  return root === undefined
    ? await findAnywhere(parseReference(given, engine), host)
    : await findIn(resolve(root), validateId(given), host);
}

async function findIn(stateRoot: string, id: string, host: Host): Promise<ContainerState> {
  const state = await readState(stateRoot, id, host);
  if (state === undefined) throw notFound(id, stateRoot, adviceOn(id));
  return state;
}

async function findAnywhere(reference: Reference, host: Host): Promise<ContainerState> {
  let looked = await lookIn(await stateRoots(host), reference, host);
  if (looked.found.length === 0) {
    // To know where daemons have directories of their own takes a look at every process.
    looked = await lookIn(await stateRoots(host, { daemons: true }), reference, host);
  }
  const [found, ...more] = looked.found;
  if (found === undefined) throw await nothingFound(reference, looked, host);
  if (more.length > 0) throw ambiguous(reference, looked.found);
  return found.state;
}

/** What a look at some state roots has found. */
interface Looked {
  found: readonly CatalogedContainer[];
  /** By what the others are called. */
  names: readonly string[];
  /** The first that could not be read, and may be what was meant. */
  problem: unknown;
}

/** The id of a container that an engine has made, which may have a name as well. */
const engineId = /^[0-9a-f]{64}$/;

async function lookIn(
  roots: readonly string[],
  { name, engine }: Reference,
  host: Host,
): Promise<Looked> {
  const entries = await entriesIn(roots);
  let problem: unknown;
  const read = async (entry: CatalogEntry): Promise<CatalogedContainer[]> => {
    try {
      const container = await readEntry(entry, host);
      problem ??= container?.problem;
      return container === undefined ? [] : [container];
    } catch (error) {
      if (entry.id === name) throw error;
      problem ??= error;
      return [];
    }
  };
  // What a runtime's user has made is called by its id alone.
  const candidates = entries.filter(({ id }) =>
    engineId.test(name) ? id === name : id === name || engineId.test(id),
  );
  const all = (await Promise.all(candidates.map(read))).flat();
  const there = all.filter((one) => engine === undefined || one.engine === engine);
  const called = there.filter((one) => one.state.id === name || one.names.includes(name));
  const begun = there.filter(({ state: { id } }) => engineId.test(id) && id.startsWith(name));
  const ids = engine === undefined ? entries.map(({ id }) => id) : [];
  const names = [...ids, ...there.flatMap((one) => one.names)];
  return { found: called.length > 0 ? called : begun, names, problem };
}

async function nothingFound(
  { name }: Reference,
  { names, problem }: Looked,
  host: Host,
): Promise<CriuError> {
  const roots = await defaultStateRoots(host);
  const meant = nearest(
    name,
    names.filter((one) => !engineId.test(one)),
  );
  const hint = meant === undefined ? '' : `; did you mean ${JSON.stringify(meant)}?`;
  const unread = problem === undefined ? '' : `; not all could be read: ${reason(problem)}`;
  const where = `${roots.join(', ')} or a directory of docker or containerd`;
  return notFound(name, where, sentence`${hint}${unread}${adviceOn(name)}`, problem);
}

function notFound(
  name: string,
  where: string,
  advice: ReturnType<typeof sentence> | ApiRemark,
  cause?: unknown,
): CriuError {
  const what = JSON.stringify(name);
  return new CriuError(
    'ERR_CONTAINER_NOT_FOUND',
    sentence`container does not exist: ${what} in ${where}${advice}`,
    { cause },
  );
}

/** Digits are a good name of a container, but most likely they are meant as a pid. */
function adviceOn(id: string): ApiRemark {
  const isNumber = /^\d+$/.test(id);
  return toApi(isNumber ? '; pass a number for a process, to dump(), explain() or iterate()' : '');
}

function ambiguous({ name }: Reference, found: readonly CatalogedContainer[]): CriuError {
  const list = found.map((one) => {
    const id = one.state.id === one.name ? '' : ` (${one.state.id.slice(0, 12)})`;
    return `${one.engine}:${one.name}${id}`;
  });
  list.sort();
  return new CriuError(
    'ERR_CONTAINER_AMBIGUOUS',
    sentence`More than one container can be meant by ${JSON.stringify(name)}:
      ${list.join(', ')}; give the whole id, or ${option('engine')}`,
  );
}
