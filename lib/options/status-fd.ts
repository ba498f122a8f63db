import { readFileSync } from 'node:fs';
import { invalidArgValue } from '../base/errors.js';
import { openFlagsOf } from '../linux/procfs.js';

/**
 * Looks whether a descriptor of this process is open and can be written to, without opening it.
 *
 * @throws RangeError `ERR_INVALID_ARG_VALUE` when it is not.
 */
export function checkStatusFd(fd: number): void {
  const refused = (reason: string): Error =>
    invalidArgValue('statusFd', 'a descriptor open for writing', fd, reason);
  let info: string;
  try {
    info = readFileSync(`/proc/self/fdinfo/${fd}`, 'latin1');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw refused(code === 'ENOENT' ? 'it is not open' : `it cannot be looked at (${code})`);
  }
  // O_WRONLY or O_RDWR; a descriptor opened with O_PATH has neither.
  const access = openFlagsOf(info) & 0o3;
  if (access !== 1 && access !== 2) throw refused('it is open for reading only');
}
