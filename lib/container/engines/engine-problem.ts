import { CriuError } from '../../base/errors.js';
import type { Criu } from '../../criu/criu.js';
import type { Host } from '../../linux/host.js';
import type { Container } from '../state/container.js';
import type { EngineProblem } from './engine.js';
import { findEngineCriuProblem } from './engine-criu.js';
import { findEngineNetworkProblem } from './engine-network.js';

/**
 * Looks for what stands in the way of a restore by the container's engine.
 *
 * @param criu - Saves the container.
 * @param forEngine - Whether the images are put where the engine restores them from.
 */
export async function findEngineProblems(
  container: Container,
  criu: Criu,
  host: Host,
  forEngine: boolean,
): Promise<EngineProblem[]> {
  const network = forEngine ? await findEngineNetworkProblem(container) : undefined;
  const problems = [network, await findEngineCriuProblem(container, criu, host)];
  return problems.filter((problem) => problem !== undefined);
}

/**
 * Refuses to end a container for its engine's sake when that cannot restore it.
 *
 * @throws CriuError with the code of the first problem that has one
 */
export function refuseEngineProblems(problems: readonly EngineProblem[]): void {
  for (const { code, message } of problems) {
    if (code !== undefined) throw new CriuError(code, message);
  }
}
