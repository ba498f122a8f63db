import { readFileSync } from 'node:fs';

/** The type of the note with the page size, in the kernel's notes for a program (getauxval). */
const AT_PAGESZ = 6n;

/** The size of the kernel's pages in bytes. */
export function pageSize(): number {
  const notes = readFileSync('/proc/self/auxv');
  const pairs = Array.from({ length: notes.length / 16 }, (_, index) => index * 16);
  const at = pairs.find((offset) => notes.readBigUInt64LE(offset) === AT_PAGESZ);
  return at === undefined ? 4096 : Number(notes.readBigUInt64LE(at + 8));
}
