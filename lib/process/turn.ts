import { fstatSync } from 'node:fs';
import { CriuError } from '../base/errors.js';
import { type Scope, withScope } from '../base/scope.js';
import { option, sentence } from '../base/sentence.js';
import type { Cgroup } from '../linux/cgroup-directory.js';
import type { LockSettings } from '../locks/lock.js';
import { takeNamedLock } from '../locks/named-lock.js';
import type { OperationRequest } from './request.js';

/**
 * Runs an operation when it is its turn. What it must have for itself alone, such as the lock of a
 * directory, it takes before it looks at what is there, and adds to the scope; all of it is given back
 * in reverse order when the operation is over.
 *
 * @throws that the operation was given up while it waited.
 */
export async function inTurn<T>(
  { criu, deadline }: OperationRequest,
  run: (scope: Scope) => Promise<T>,
): Promise<T> {
  return await withScope(async (scope) => {
    scope.defer(await deadline.enter(criu.queue));
    return await run(scope);
  });
}

/** How an operation takes the locks of what others may have. */
export function lockOf({
  deadline,
  options: { wait },
}: Pick<OperationRequest, 'deadline'> & {
  options: { wait?: boolean | undefined };
}): LockSettings {
  return wait === true ? { wait, signal: deadline.signal } : {};
}

/**
 * Takes the cgroup that a dump freezes. Another operation would take our frozen state for the one that
 * it found, and leave it so.
 *
 * @throws CriuError `ERR_CONTAINER_BUSY` when another operation has it.
 */
export async function lockCgroup(
  scope: Scope,
  { fd, path }: Pick<Cgroup, 'fd' | 'path'>,
  request: OperationRequest,
): Promise<void> {
  const { dev, ino } = fstatSync(fd);
  const release = await takeNamedLock('cgroup', `${dev}:${ino}`, lockOf(request));
  if (release === undefined) {
    throw new CriuError(
      'ERR_CONTAINER_BUSY',
      sentence`Another operation is freezing the cgroup ${path}; ${option('wait', true)} waits for it`,
      { stage: 'freeze' },
    );
  }
  scope.defer(release);
}
