import { realpath, stat } from 'node:fs/promises';
import { release } from 'node:os';
import { readFile } from '../base/files.js';
import { hashOf } from '../images/file-hash.js';
import type { Manifest, MappedFile } from '../images/manifest.js';
import { processorFeatures } from '../linux/processor.js';
import { parseMaps } from '../preflight/checks/mappings.js';

/** Memory that has the name of a file, and no file that stays. */
const noFile = /^\/(?:memfd:|dev\/|proc\/|sys\/|anon_hugepage|\[aio\]|SYSV)| \(deleted\)$/;

/**
 * What this process relies on.
 *
 * @param directory - Where the images go.
 * @param criu - The version of the CRIU that saves it.
 */
export async function manifestOfSelf(directory: string, criu: string): Promise<Manifest> {
  const mapped = parseMaps(await readFile('/proc/self/maps', 'utf8'))
    .map(({ path }) => path)
    .filter((path) => path.startsWith('/') && !noFile.test(path));
  const [, script] = process.argv;
  const files: MappedFile[] = [];
  for (const path of script === undefined ? mapped : [...mapped, script]) {
    files.push(...(await fileAt(path)));
  }
  return {
    directory: await realpath(directory),
    node: process.version,
    program: process.execPath,
    kernel: release(),
    criu,
    processor: await processorFeatures(),
    files,
  };
}

/** A file as it is; none when CRIU will have to say what it makes of it. */
async function fileAt(path: string): Promise<readonly MappedFile[]> {
  try {
    const { size, mtimeNs } = await stat(path, { bigint: true });
    return [{ path, size: Number(size), changed: String(mtimeNs), hash: await hashOf(path) }];
  } catch {
    return [];
  }
}
