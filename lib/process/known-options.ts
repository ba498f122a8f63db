import { CriuError, type Operation } from '../base/errors.js';
import { sentence } from '../base/sentence.js';
import type { CriuVersion } from '../criu/program.js';
import { reasonOfUnknown } from '../options/since.js';

/**
 * Refuses options that the criu is too old for, before anything is touched.
 *
 * @throws CriuError `ERR_CRIU_TOO_OLD`
 */
export function requireKnownOptions(
  { operation, options }: { operation: Operation; options: object },
  version: CriuVersion,
): void {
  const reason = reasonOfUnknown(options, version);
  if (reason === undefined) return;
  const { major, minor } = version;
  throw new CriuError('ERR_CRIU_TOO_OLD', sentence`criu ${major}.${minor} ${reason}`, {
    operation,
  });
}
