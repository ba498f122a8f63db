import { constants } from 'node:os';

const { EAGAIN, EMFILE, ENFILE, ENOMEM } = constants.errno;
/** What a system call says when there are no threads, descriptors or memory left. */
const shortages = new Map(Object.entries({ EAGAIN, EMFILE, ENFILE, ENOMEM }));
const numbers: ReadonlySet<number> = new Set(shortages.values());

/**
 * Whether a system call failed because the machine lacks something, which is no fault of what the call
 * was given.
 *
 * @param errno - The number, or the name as Node has it in `code`; undefined where no system call failed.
 */
export function isShortage(errno: number | string | undefined): boolean {
  return typeof errno === 'number' ? numbers.has(errno) : shortages.has(errno ?? '');
}
