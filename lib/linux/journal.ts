import { writeSync } from 'node:fs';
import { CriuError } from '../base/errors.js';
import { nativeAddon } from '../native/addon.js';

/** Where journald takes the output of services. */
export const journalSocket = '/run/systemd/journal/stdout';

/** What the journal notes with each line of a stream. */
export interface JournalStream {
  /** The name of the program; empty for none. */
  identifier: string;
  /** The unit of systemd; empty for none. */
  unit: string;
}

/** `LOG_INFO`, which a line has that does not begin with a number. */
const priority = 6;

/**
 * Connects to the journal as systemd does for the output of a service.
 *
 * @returns a descriptor of the addon, for `closeDescriptor`.
 * @throws CriuError `ERR_SYSTEM_ERROR` when there is no journal.
 */
export function openStream({ identifier, unit }: JournalStream): number {
  let fd: number | undefined;
  try {
    fd = nativeAddon().connectUnix(journalSocket);
    // Then: whether lines begin with a priority, and whether they go to syslog, kernel log and console.
    writeSync(
      fd,
      [identifier, unit, priority, 1, 0, 0, 0].map((line) => `${oneLine(line)}\n`).join(''),
    );
    return fd;
  } catch (cause) {
    if (fd !== undefined) nativeAddon().closeDescriptor(fd);
    const { errno } = cause as { errno?: number };
    throw new CriuError(
      'ERR_SYSTEM_ERROR',
      `Cannot connect to the journal at ${journalSocket}: ${(cause as Error).message}`,
      { cause, ...(typeof errno === 'number' ? { errno: Math.abs(errno) } : {}) },
    );
  }
}

function oneLine(text: string | number): string {
  return String(text).replace(/[\n\0]/g, ' ');
}
