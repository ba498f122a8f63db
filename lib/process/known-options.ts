import { CriuError, type Operation } from '../base/errors.js';
import { sentence } from '../base/sentence.js';
import type { Criu } from '../criu/criu.js';
import { reasonOfUnknown } from '../options/since.js';

/**
 * Refuses options that the criu is too old for, before anything is touched.
 *
 * @throws CriuError `ERR_CRIU_TOO_OLD`
 */
export async function requireKnownOptions(request: {
  operation: Operation;
  criu: Pick<Criu, 'version'>;
  options: object;
}): Promise<void> {
  const { operation, criu, options } = request;
  const version = await criu.version();
  const reason = reasonOfUnknown(options, version);
  if (reason === undefined) return;
  const { major, minor } = version;
  throw new CriuError('ERR_CRIU_TOO_OLD', sentence`criu ${major}.${minor} ${reason}`, {
    operation,
  });
}
