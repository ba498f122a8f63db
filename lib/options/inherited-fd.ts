import { fstatSync } from 'node:fs';
import { invalidArgType, invalidArgValue } from '../base/errors.js';
import { checkRecord } from './record.js';
import { checkText } from './text.js';

/** A descriptor that restored tasks get in place of one that the images name. */
export interface InheritedFd {
  /** An open descriptor of this process. */
  fd: number;
  /**
   * What it stands for, in CRIU's words: `pipe:[INODE]`, `socket:[INODE]`, the path of a file
   * without the leading `/`, or the name that an `external` of the dump gave it.
   */
  resource: string;
}

/** Checks an element of `inheritFd`, and gives a copy of it. */
export function checkInheritedFd(name: string, value: unknown): InheritedFd {
  const { fd, resource } = checkRecord(
    name,
    value,
    ['fd', 'resource'],
    'an object of fd and resource',
  );
  const expected = 'an open descriptor';
  if (typeof fd !== 'number') throw invalidArgType(`${name}.fd`, expected, fd);
  if (!Number.isInteger(fd) || fd < 0 || fd > 0x7fff_ffff) {
    throw invalidArgValue(`${name}.fd`, expected, fd);
  }
  try {
    fstatSync(fd);
  } catch {
    throw invalidArgValue(`${name}.fd`, expected, fd, 'it is not open');
  }
  return { fd: fd + 0, resource: checkText(`${name}.resource`, 'what it stands for', resource) };
}
