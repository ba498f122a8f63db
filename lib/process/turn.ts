import { type Scope, withScope } from '../base/scope.js';
import { claimDirectory } from '../images/directory.js';
import type { OperationRequest } from './request.js';

/** A directory that an operation writes to, by the option that names it. */
export interface ClaimedDirectory {
  option: 'imagePath' | 'workPath';
  path: string;
}

/**
 * Runs an operation when it is its turn. This is where it takes all that it must have for itself
 * alone, before it looks at what is there and changes it; all of it is given back in reverse order
 * when the operation is over.
 *
 * @param run - The operation. What it opens it adds to the scope.
 * @throws CriuError `ERR_CRIU_IMAGES_DIR` when another operation of this thread has the directory,
 * and that the operation was given up while it waited.
 */
export async function inTurn<T>(
  { criu, deadline }: OperationRequest,
  { option, path }: ClaimedDirectory,
  run: (scope: Scope) => Promise<T>,
): Promise<T> {
  return await withScope(async (scope) => {
    scope.defer(await deadline.enter(criu.queue));
    scope.defer(claimDirectory(option, path));
    return await run(scope);
  });
}
