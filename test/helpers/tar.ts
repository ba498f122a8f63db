import { createHash } from 'node:crypto';
import {
  closeSync,
  ftruncateSync,
  openSync,
  readFileSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join, resolve } from 'node:path';
import { expect } from 'vitest';
import { nativeDirectory } from './paths.js';
import type { Scope } from './scope.js';
import { type Outcome, run } from './system/exec.js';
import { mountTmpfs } from './system/mounts.js';

/** The directory with our tar. */
export const tarFirst = resolve(nativeDirectory, 'tar-first');

export const systemPath = process.env['PATH'] ?? '/usr/sbin:/usr/bin:/sbin:/bin';

/** `PATH` with our tar before the system's. */
export const withOurs = `${tarFirst}:${systemPath}`;

/** What CRIU starts in its tmpfs_dump(). */
export const dumpArguments = [
  '--create',
  '--gzip',
  '--no-unquote',
  '--no-wildcards',
  '--one-file-system',
  '--check-links',
  '--preserve-permissions',
  '--sparse',
  '--numeric-owner',
  '--directory',
  '/proc/self/fd/0',
  '.',
];

/** What CRIU starts in its tmpfs_restore(). */
export const restoreArguments = [
  '--extract',
  '--gzip',
  '--no-unquote',
  '--no-wildcards',
  '--directory',
];

/** Mount options of a tmpfs that has room for every tree of the tests. */
export const treeSize = 'size=512m';

/** How tar ended, and what it wrote. */
export interface Archive {
  code: number | null;
  stderr: string;
  /** As it was written. */
  file: Buffer;
}

interface DumpSettings {
  args?: readonly string[];
  env?: NodeJS.ProcessEnv;
  /** The archive; a file outside the tree by default. */
  output?: string;
}

/** Starts tar as CRIU does: the file system is its standard input, the image its output. */
export async function dump(
  scope: Scope,
  path: string,
  tree: string,
  settings: DumpSettings = {},
): Promise<Archive> {
  const output = settings.output ?? join(await scope.directory(), 'image');
  const input = openSync(tree, 'r');
  const image = openSync(output, 'w');
  try {
    const { code, stderr } = await run('tar', settings.args ?? dumpArguments, {
      env: { ...settings.env, LC_ALL: 'C', PATH: path },
      stdio: [input, image, 'pipe'],
    });
    return { code, stderr, file: readFileSync(output) };
  } finally {
    closeSync(input);
    closeSync(image);
  }
}

/** Unpacks an archive as CRIU does; gives the directory. */
export async function restore(
  scope: Scope,
  archive: Buffer,
  settings: { path?: string } = {},
): Promise<string> {
  const directory = await mountTmpfs(scope, treeSize);
  const image = join(await scope.directory(), 'image');
  writeFileSync(image, archive);
  const input = openSync(image, 'r');
  try {
    const outcome: Outcome = await run('tar', [...restoreArguments, directory], {
      env: { LC_ALL: 'C', PATH: settings.path ?? systemPath },
      stdio: [input, 'pipe', 'pipe'],
    });
    const complaints = outcome.stderr.split('\n').filter((line) => !/in the future$|^$/.test(line));
    expect({ code: outcome.code, complaints }).toEqual({ code: 0, complaints: [] });
  } finally {
    closeSync(input);
  }
  return directory;
}

/** A file with data only at the given offsets. */
export function writeSparse(
  path: string | Buffer,
  size: number,
  data: Record<number, string>,
): void {
  const fd = openSync(path, 'w');
  ftruncateSync(fd, size);
  for (const [offset, bytes] of Object.entries(data)) writeSync(fd, bytes, Number(offset));
  closeSync(fd);
}

/** Pseudo-random, so that a failure can be repeated, and nothing that gzip could make smaller. */
export function noise(size: number, seed: number): Buffer {
  const blocks: Buffer[] = [];
  for (let i = 0; i * 32 < size; i++) {
    blocks.push(createHash('sha256').update(`${seed} ${i}`).digest());
  }
  return Buffer.concat(blocks).subarray(0, size);
}
