import { CriuError, type Operation } from '../base/errors.js';

/**
 * Refuses an operation to anybody but root, before anything else is looked at.
 *
 * @param operation - The public call.
 * @throws CriuError `ERR_CRIU_PERMISSION`
 */
export function requireRoot(operation: Operation): void {
  if (process.geteuid?.() === 0) return;
  throw new CriuError(
    'ERR_CRIU_PERMISSION',
    `Only root can call ${operation} (CRIU traces processes)`,
    { operation },
  );
}
