import { CriuError, type Operation } from '../base/errors.js';
import { sentence } from '../base/sentence.js';
import { type CriuVersion, isOlder } from '../criu/program.js';
import { reasonOfUnknown } from '../options/since.js';

/** The oldest CRIU that can be asked for a pre-dump alone: those before it go on to a dump. */
const oldestForPreDump = { major: 3, minor: 17 };

/**
 * Refuses an operation, or options, that the criu is too old for, before anything is touched.
 *
 * @throws CriuError `ERR_CRIU_TOO_OLD`
 */
export function requireKnownOptions(
  { operation, options }: { operation: Operation; options: object },
  version: CriuVersion,
): void {
  const reason =
    operation === 'preDump' && isOlder(version, oldestForPreDump)
      ? sentence`has no pre-dump of its own: 3.17 or newer is needed`
      : reasonOfUnknown(options, version);
  if (reason === undefined) return;
  const { major, minor } = version;
  throw new CriuError('ERR_CRIU_TOO_OLD', sentence`criu ${major}.${minor} ${reason}`, {
    operation,
  });
}
