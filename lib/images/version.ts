import { join } from 'node:path';
import { readFile } from '../base/files.js';

/** The name of the file that says which CRIU has made the images beside it. */
const versionName = 'libcriu-criu.json';

/**
 * The file that says which CRIU has made the images beside it: [name, content].
 *
 * @param version - As CRIU writes it: `4.2.1`.
 */
export function versionFile(version: string): readonly [string, string] {
  return [versionName, `${JSON.stringify({ criu: version })}\n`];
}

/** Which CRIU has made the images in a directory; undefined where nothing of ours says so. */
export async function readVersion(directory: string): Promise<string | undefined> {
  try {
    const { criu } = JSON.parse(await readFile(join(directory, versionName), 'utf8')) as {
      criu?: unknown;
    };
    return typeof criu === 'string' && /^\d+(\.\d+){1,2}$/.test(criu) ? criu : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Says that images and CRIU are of different versions. An older CRIU does not read all that a newer
 * one writes, and neither of them tells.
 *
 * @param directory - That of the images.
 * @param version - The CRIU's that has failed to restore them.
 * @returns a sentence; undefined where they are of one version, or it is not known.
 */
export async function noteOnVersions(
  directory: string,
  version: string,
): Promise<string | undefined> {
  const made = await readVersion(directory);
  if (made === undefined || made === version) return undefined;
  const told = `The images were made by CRIU ${made}, and this is ${version}`;
  return isNewer(made, version)
    ? `${told}, which does not read all that a newer one writes: restore them with ${made}`
    : told;
}

function isNewer(version: string, than: string): boolean {
  const [a, b] = [version.split('.').map(Number), than.split('.').map(Number)];
  const at = [0, 1, 2].find((index) => (a[index] ?? 0) !== (b[index] ?? 0));
  return at !== undefined && (a[at] ?? 0) > (b[at] ?? 0);
}
