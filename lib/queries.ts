import { invalidArgType } from './base/errors.js';
import { Criu, defaultCriu } from './criu/criu.js';
import type { CriuFeatures, CriuVersion } from './criu/program.js';

/** Which CRIU a question is for. */
export interface CriuChoice {
  /**
   * CRIU to ask.
   *
   * @defaultValue the one that all calls share
   */
  criu?: Criu | undefined;
}

/**
 * Asks CRIU whether this kernel has all that it needs, as `criu check` does.
 *
 * @throws CriuError `ERR_CRIU_FAILED` with what is missing.
 */
export async function check(options?: CriuChoice): Promise<void> {
  return chosen(options).check();
}

/** The version of the criu program, asked once per program file. */
export async function version(options?: CriuChoice): Promise<CriuVersion> {
  return chosen(options).version();
}

/** What CRIU can do with this kernel, asked once per program file. */
export async function features(options?: CriuChoice): Promise<CriuFeatures> {
  return chosen(options).features();
}

/** Ends the spare workers of a CRIU: see {@link Criu.close}. */
export async function close(options?: CriuChoice): Promise<void> {
  return chosen(options).close();
}

function chosen(options: CriuChoice = {}): Criu {
  if (typeof options !== 'object' || options === null) {
    throw invalidArgType('options', 'an object', options);
  }
  const { criu = defaultCriu() } = options;
  if (criu instanceof Criu) return criu;
  throw invalidArgType('criu', 'an instance of Criu', criu);
}
