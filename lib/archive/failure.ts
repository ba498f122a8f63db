import { constants } from 'node:os';
import { CriuError, errnoOf, reason } from '../base/errors.js';

/**
 * The error of an archive that cannot be written.
 *
 * @param name - What it is called: its path, or the stream.
 */
export function writeFailure(name: string, cause: unknown): CriuError {
  if (cause instanceof CriuError) return cause;
  const code = errnoOf(cause) ?? '';
  const errno = (constants.errno as Readonly<Record<string, number>>)[code];
  return new CriuError('ERR_ARCHIVE_WRITE', `Cannot write ${name}: ${why(cause)}`, {
    cause,
    errno,
  });
}

function why(cause: unknown): string {
  switch (errnoOf(cause)) {
    case 'ENOSPC':
      return 'no space is left on its file system (ENOSPC)';
    case 'EPIPE':
    case 'ERR_STREAM_PREMATURE_CLOSE':
    case 'ERR_STREAM_DESTROYED':
      return 'its reader has stopped reading';
    default:
      return reason(cause);
  }
}
