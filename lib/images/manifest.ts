import { join } from 'node:path';
import { readFile } from '../base/files.js';

/** A file that a saved process has mapped, as it was. */
export interface MappedFile {
  path: string;
  size: number;
  /** Nanoseconds since 1970, in decimal digits: more of them than a number has. */
  changed: string;
  /** SHA-256, in hexadecimal digits. */
  hash: string;
}

/** What a process that has saved itself relies on. A restore elsewhere could make it crash later. */
export interface Manifest {
  /** Where the images were made. */
  directory: string;
  /** The version of Node.js, as `v20.20.2`. */
  node: string;
  /** The path of its program. */
  program: string;
  /** The release of the kernel, as `6.1.0-40-amd64`. */
  kernel: string;
  /** The version of CRIU, as `4.2.1`. */
  criu: string;
  /** What the processor can do, by the names that the kernel has for it. */
  processor: readonly string[];
  files: readonly MappedFile[];
}

/** The file that has the output of a program that `libcriu run --snapshot` has run, beside the images. */
export const outputName = 'output.log';

/** The name of the file that says what a snapshot relies on. */
const manifestName = 'libcriu-snapshot.json';

/** The file for the images: [name, content]. */
export function manifestFile(manifest: Manifest): readonly [string, string] {
  return [manifestName, `${JSON.stringify(manifest)}\n`];
}

/** The manifest in a directory; undefined of images that have none. Root alone can have written it. */
export async function readManifest(directory: string): Promise<Manifest | undefined> {
  try {
    return JSON.parse(await readFile(join(directory, manifestName), 'utf8')) as Manifest;
  } catch {
    return undefined;
  }
}
