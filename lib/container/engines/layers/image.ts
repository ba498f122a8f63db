import { CriuError } from '../../../base/errors.js';
import type { EngineName } from '../../../options/engine-names.js';

/** An image of which a container was made, as its checkpoint tells. */
export interface WantedImage {
  /** As in `docker.io/library/redis:7`. */
  readonly name: string | undefined;
  /** 64 hexadecimal digits. Where it is told, an image of the same name and another id is another one. */
  readonly id: string | undefined;
  /** Whose container it was: its images are looked at first. */
  readonly engine: EngineName | undefined;
}

/** The files of an image, where an engine keeps them. */
export interface ImageLayers {
  /** Whose image it is, for sentences. */
  readonly owner: string;
  /** Directories, each of which lies over the next one. */
  readonly directories: readonly string[];
}

/** The error of an image whose files are not where its engine says. */
export function incomplete(owner: string, what: string): CriuError {
  const message = `The image is in the list of ${owner}, but its files cannot be found: there is no ${what}`;
  return new CriuError('ERR_CONTAINER_CORRUPT', message);
}
