import { join } from 'node:path';
import { CriuError, invalidArgValue } from '../../base/errors.js';
import type { ContainerState } from '../state/container.js';
import { dockerDirectory } from './docker.js';
import { engineOf } from './identify.js';

/** The only checkpoint that a container of podman has. */
const podmanName = 'checkpoint';

/**
 * The directory from which a container's engine restores it: `docker start --checkpoint NAME`, or
 * `podman container restore`.
 *
 * @param name - The option `inEngine`.
 * @throws RangeError for a name that the engine cannot have.
 * @throws CriuError `ERR_CONTAINER_STATE` for a container whose engine restores none in its place.
 */
export function placeInEngine(state: ContainerState, name: string): string {
  const engine = engineOf(state);
  if (engine === 'podman') {
    if (name === podmanName) return join(state.bundle, podmanName);
    throw invalidArgValue('inEngine', `'${podmanName}' for a container of podman`, name);
  }
  const directory = engine === 'docker' ? dockerDirectory(state) : undefined;
  if (directory !== undefined) return join(directory, 'checkpoints', name);
  const why = engine === 'docker' ? 'its directory is not known' : `${engine} has no place for one`;
  throw new CriuError(
    'ERR_CONTAINER_STATE',
    `Container ${JSON.stringify(state.id)} cannot be saved where its engine restores it: ${why}`,
  );
}
