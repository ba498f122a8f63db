import { reason } from '../../base/errors.js';
import type { ContainerState } from '../state/container.js';
import { dockerAfterKill } from './docker.js';
import type { AfterKill } from './engine.js';
import { engineOf, factsOf } from './identify.js';
import { podmanAfterKill } from './podman.js';

/** What each kind of engine has to be told of. */
const consequences: Readonly<Record<AfterKill, (engine: string, name: string) => string>> = {
  restarts: (engine, name) =>
    `${engine} starts container ${name} anew, from its beginning, because of its restart policy`,
  removes: (engine, name) =>
    `${engine} removes container ${name} with its file system, because it was made to be removed at its end`,
};

/**
 * Tells what the engine of a container does when that is ended by its checkpoint, which the engine has not
 * asked for.
 *
 * @returns sentences; none where nothing happens, or the engine's files do not tell.
 */
export async function warnOfEngine(state: ContainerState): Promise<string[]> {
  const engine = engineOf(state);
  try {
    const afterKill = await afterKillOf(state);
    if (afterKill === undefined) return [];
    const { name } = await factsOf(state);
    return [consequences[afterKill](engine, JSON.stringify(name))];
  } catch (error) {
    return [
      `It is not known what ${engine} does now that the container has ended: ${reason(error)}`,
    ];
  }
}

async function afterKillOf(state: ContainerState): Promise<AfterKill | undefined> {
  switch (engineOf(state)) {
    case 'docker':
      return await dockerAfterKill(state);
    case 'podman':
      return await podmanAfterKill(state);
    default:
      return undefined;
  }
}
