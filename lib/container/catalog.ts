import { readdir } from 'node:fs/promises';
import type { Host } from '../linux/host.js';
import { leadsNowhere } from '../linux/paths.js';
import type { EngineName } from '../options/engine-names.js';
import type { EngineFacts } from './engines/engine.js';
import { engineOf, factsOf } from './engines/identify.js';
import type { ContainerState } from './state/container.js';
import { badId } from './state/id.js';
import { readState } from './state/read.js';

/** Where a runtime keeps the state of a container. */
export interface CatalogEntry {
  stateRoot: string;
  id: string;
}

/** A container with its engine, and how that knows it. */
export interface CatalogedContainer extends EngineFacts {
  state: ContainerState;
  engine: EngineName;
  /** Why the engine's files cannot be read or believed, so that only the id is known. */
  problem?: unknown;
}

/** What the state roots have a directory for. */
export async function entriesIn(stateRoots: readonly string[]): Promise<CatalogEntry[]> {
  const found = await Promise.all(
    stateRoots.map(async (stateRoot) => {
      const ids = await idsIn(stateRoot);
      return ids.map((id) => ({ stateRoot, id }));
    }),
  );
  return found.flat();
}

async function idsIn(stateRoot: string): Promise<string[]> {
  try {
    const entries = await readdir(stateRoot, { withFileTypes: true });
    const directories = entries.filter((entry) => entry.isDirectory());
    return directories.map(({ name }) => name).filter((name) => badId(name) === undefined);
  } catch (error) {
    if (leadsNowhere(error)) return [];
    throw error;
  }
}

/**
 * Reads what there is to know of a container.
 *
 * @returns undefined when it has gone meanwhile, or the directory is none of a container.
 * @throws CriuError `ERR_CONTAINER_CORRUPT`, `ERR_UNTRUSTED_PATH` for a state that cannot be believed.
 */
export async function readEntry(
  { stateRoot, id }: CatalogEntry,
  host: Host,
): Promise<CatalogedContainer | undefined> {
  const state = await readState(stateRoot, id, host);
  if (state === undefined) return undefined;
  const engine = engineOf(state);
  try {
    return { state, engine, ...(await factsOf(state)) };
  } catch (problem) {
    return { state, engine, name: id, names: [], image: undefined, problem };
  }
}
