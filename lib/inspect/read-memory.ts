import { resolve } from 'node:path';
import { checkOpening, type OpenCheckpointOptions } from '../archive/options.js';
import { withDeadline } from '../base/deadline.js';
import { invalidArgType, invalidArgValue, type Operation } from '../base/errors.js';
import { withScope } from '../base/scope.js';
import { checkPath } from './inspect.js';
import type { ProcessMemory } from './memory.js';
import type { MemoryMatch } from './search.js';

export type { MemoryMatch } from './search.js';

/** Options of `searchMemory`. */
export interface SearchMemoryOptions extends OpenCheckpointOptions {
  /**
   * So many places are told at most.
   *
   * @defaultValue 1000
   */
  maxMatches?: number | undefined;
}

/** Options of `dumpMemory`. */
export interface DumpMemoryOptions extends OpenCheckpointOptions {
  /**
   * What becomes of a file of that name.
   *
   * @defaultValue `'refuse'`
   */
  existing?: 'refuse' | 'replace' | undefined;
}

/** What `dumpMemory` has written. */
export interface MemoryFile {
  /** The absolute path of the file. */
  readonly path: string;
  /** How many parts of memory the file has. */
  readonly segments: number;
  /** Bytes of memory in the file. */
  readonly bytes: number;
}

/**
 * Looks for a text or bytes in the memory of a process of a checkpoint, in these images and in those of the
 * pre-dumps that it needs. No more of the memory than a chunk is loaded at a time.
 *
 * @param path - The checkpoint, as {@link inspect} takes it.
 * @param pid - The process, as it sees itself.
 * @param what - A text, which is looked for in UTF-8, or bytes.
 * @returns the places in the order of their addresses.
 * @throws TypeError, RangeError for a bad argument or option, and for a process that is not in the checkpoint.
 * @throws CriuError as {@link inspect}.
 *
 * @example
 * ```ts
 * for (const { address, text } of await searchMemory('/var/lib/ckpt/web', 1, 'password=')) {
 *   console.log(address.toString(16), text);
 * }
 * ```
 */
export async function searchMemory(
  path: string,
  pid: number,
  what: string | Uint8Array,
  options: SearchMemoryOptions = {},
): Promise<MemoryMatch[]> {
  const { maxMatches = 1000, ...opening } = checkObject(options);
  if (!Number.isInteger(maxMatches) || maxMatches < 1) {
    throw invalidArgValue('maxMatches', 'an integer from 1', maxMatches);
  }
  const needle = needleOf(what);
  return await withMemory('searchMemory', path, pid, opening, async (memory) => {
    const { search } = await import('./search.js');
    return await search(memory, needle, maxMatches);
  });
}

/**
 * Writes the memory of a process of a checkpoint as a core file: an ELF file, which `readelf` reads. It has what these images have and those of the pre-dumps that it needs, and no registers.
 *
 * @param path - The checkpoint, as {@link inspect} takes it.
 * @param pid - The process, as it sees itself.
 * @param to - The file, with mode 0600. It is there as a whole or not at all.
 * @throws TypeError, RangeError for a bad argument or option, and for a process that is not in the checkpoint.
 * @throws CriuError `ERR_ARCHIVE_WRITE` when the file cannot be written, and as {@link inspect}.
 */
export async function dumpMemory(
  path: string,
  pid: number,
  to: string,
  options: DumpMemoryOptions = {},
): Promise<MemoryFile> {
  const { existing = 'refuse', ...opening } = checkObject(options);
  if (existing !== 'refuse' && existing !== 'replace') {
    throw invalidArgValue('existing', "'refuse' or 'replace'", existing);
  }
  const file = resolve(checkPath('to', to));
  return await withMemory('dumpMemory', path, pid, opening, async (memory) => {
    const { openFileTarget } = await import('../archive/target.js');
    const { writeCore } = await import('./core-file.js');
    const target = await openFileTarget('to', file, existing === 'replace');
    try {
      const written = await writeCore(memory, target.stream);
      await target.keep();
      return { path: file, ...written };
    } finally {
      await target.close();
    }
  });
}

async function withMemory<T>(
  operation: Operation,
  path: string,
  pid: number,
  options: OpenCheckpointOptions,
  use: (memory: ProcessMemory) => Promise<T>,
): Promise<T> {
  const checked = checkPath('path', path);
  if (typeof pid !== 'number') throw invalidArgType('pid', 'a pid', pid);
  const { signal, timeoutMs, ...limits } = checkOpening(options);
  return await withDeadline(operation, { signal, timeoutMs }, (deadline) =>
    withScope(async (scope) => {
      const { openChain } = await import('./chain.js');
      const { ProcessMemory: Memory } = await import('./memory.js');
      const check = (): void => deadline.check('archive');
      const { chain } = await openChain(checked, limits, check, scope);
      return await use(scope.use(await Memory.open(chain, pid)));
    }),
  );
}

function checkObject<T extends object>(options: T): T {
  if (typeof options === 'object' && options !== null) return options;
  throw invalidArgType('options', 'an object', options);
}

/** What is looked for. Zeros alone are nearly everywhere, and longer texts than a page are nobody's. */
function needleOf(what: string | Uint8Array): Buffer {
  const isBytes = what instanceof Uint8Array;
  if (!isBytes && typeof what !== 'string')
    throw invalidArgType('what', 'a text or a Buffer', what);
  const needle = isBytes ? Buffer.from(what) : Buffer.from(what, 'utf8');
  const isUsable = needle.length <= 4096 && needle.some((byte) => byte !== 0);
  if (isUsable) return needle;
  throw invalidArgValue('what', 'up to 4096 bytes that are not all zero', what);
}
