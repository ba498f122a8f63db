import { type ContainerState, namespaceOf } from '../state/container.js';
import { dockerHasNetwork } from './docker.js';
import type { EngineProblem } from './engine.js';
import { engineOf } from './identify.js';

/** By this hook a docker before 28 is told of a container's network namespace, also in a restore. */
const networkHook = 'libnetwork-setkey';

/**
 * Tells whether a container's engine fails to give it its network back. From 28 on docker asks for the
 * network namespace of a process that is not there before the restore has begun. It does not ask where
 * the container has no network namespace of its own, was given one by its path, or gets no network.
 */
export async function findEngineNetworkProblem(
  state: ContainerState,
): Promise<EngineProblem | undefined> {
  if (engineOf(state) !== 'docker' || namespaceOf(state, 'net')?.path !== '') return undefined;
  if (state.prestartHooks.some(({ args }) => args.includes(networkHook))) return undefined;
  if ((await dockerHasNetwork(state)) !== true) return undefined;
  const message =
    'docker restores only containers with the network of the host from its version 28 on, and ' +
    `container ${JSON.stringify(state.id)} has a network namespace of its own`;
  return { finding: 'engine-network', engine: 'docker', message, code: 'ERR_CONTAINER_STATE' };
}
