import type { FindingCode } from '../../base/finding.js';
import type { EngineName } from '../../options/engine-names.js';

/** How an engine knows a container, as far as its files tell. */
export interface EngineFacts {
  /** The name by which the engine's users know it; the id where it has no other. */
  name: string;
  /** All names to which it answers, besides its id. */
  names: readonly string[];
  /** The image that it was made of. */
  image: string | undefined;
  /** The id of that image, 64 hexadecimal digits, where the engine's files tell. */
  imageId?: string | undefined;
}

/** What an engine does to a container that ends without its having asked for that. */
export type AfterKill = 'restarts' | 'removes';

/** Why an engine may not restore what is saved of its container. */
export interface EngineProblem {
  finding: Extract<FindingCode, 'engine-criu' | 'engine-network'>;
  engine: EngineName;
  /** A sentence. */
  message: string;
  /** Set where it is known that the engine cannot; else it may. */
  code: 'ERR_CRIU_NOT_FOUND' | 'ERR_CRIU_TOO_OLD' | 'ERR_CONTAINER_STATE' | undefined;
}
