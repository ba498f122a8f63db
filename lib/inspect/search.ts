import { isZero, type Mapping, type ProcessMemory } from './memory.js';
import type { MappingKind } from './report.js';

/** A place in the memory of a process. */
export interface MemoryMatch {
  /** As the process has it. */
  readonly address: number;
  readonly kind: MappingKind;
  /** The file that is mapped there, if one is. */
  readonly file: string | undefined;
  /** What begins there, as far as it can be printed: at most 64 bytes. */
  readonly text: string;
}

const shownBytes = 64;

/**
 * Looks for bytes in memory, also across the bounds of what is saved together.
 *
 * @param max - So many places at most are told.
 */
export async function search(
  memory: ProcessMemory,
  needle: Buffer,
  max: number,
): Promise<MemoryMatch[]> {
  const finder = new Finder(needle);
  const matches: MemoryMatch[] = [];
  const look = (at: number, bytes: Buffer, mapping: Mapping): void => {
    for (const { address, text } of finder.find(at, bytes)) {
      if (matches.length < max) {
        matches.push({ address, kind: mapping.kind, file: mapping.file, text });
      }
    }
  };
  for await (const placed of memory.placed()) {
    const { mapping, start, end } = placed;
    if (isZero(placed)) {
      // A match has other bytes than zero: it is near the edges if at all.
      const edge = Math.min(needle.length - 1, end - start);
      look(start, Buffer.alloc(edge), mapping);
      look(end - edge, Buffer.alloc(edge), mapping);
      continue;
    }
    let at = start;
    for await (const bytes of memory.read(placed)) {
      look(at, bytes, mapping);
      at += bytes.length;
      if (matches.length >= max) return matches;
    }
  }
  return matches;
}

/** Finds bytes in memory that comes in pieces. */
class Finder {
  readonly #needle: Buffer;
  /** The end of what came before, in which a match may begin. */
  #tail: Buffer = Buffer.alloc(0);
  /** The address behind it. */
  #end = -1;

  constructor(needle: Buffer) {
    this.#needle = needle;
  }

  *find(start: number, bytes: Buffer): Generator<{ address: number; text: string }> {
    const tail = start === this.#end ? this.#tail : this.#tail.subarray(0, 0);
    const whole = tail.length === 0 ? bytes : Buffer.concat([tail, bytes]);
    const first = start - tail.length;
    for (
      let at = whole.indexOf(this.#needle);
      at !== -1;
      at = whole.indexOf(this.#needle, at + 1)
    ) {
      yield { address: first + at, text: shown(whole.subarray(at, at + shownBytes)) };
    }
    const kept = Math.min(this.#needle.length - 1, whole.length);
    this.#tail = Buffer.from(whole.subarray(whole.length - kept));
    this.#end = start + bytes.length;
  }
}

/** Letters as they are, and a dot for every other byte. */
function shown(bytes: Buffer): string {
  return bytes.toString('latin1').replace(/[^ -~]/g, '.');
}
