import { spawn } from 'node:child_process';
import { closeSync } from 'node:fs';
import { mkdir, rm, symlink } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { CriuError } from '../../base/errors.js';
import { withScope } from '../../base/scope.js';
import { findRuntime } from '../../container/runtime.js';
import { shownPath } from '../../linux/paths.js';
import { openLayer } from '../overlay.js';

/** What a program says is in its first lines. */
const maxSaid = 4096;
/** Owners, extended attributes, hard links and devices, and blocks that files share where that can be. */
const copying = ['--archive', '--one-file-system', '--reflink=auto', '--'] as const;

/**
 * Copies a directory with all that Node.js has no functions for. What another file system is mounted to in it
 * is left out.
 *
 * @param to - A directory that is empty, or not there.
 * @throws CriuError `ERR_SYSTEM_ERROR` with what cp says.
 */
export async function copyTree(from: string, to: string, signal: AbortSignal): Promise<void> {
  const said = await run(await findRuntime('cp'), [...copying, `${from}/.`, to], signal);
  if (said === undefined) return;
  throw new CriuError(
    'ERR_SYSTEM_ERROR',
    `The root file system ${shownPath(from)} cannot be copied: ${said}`,
  );
}

/** Mounts an overlay, and goes on as the program that is to see it. */
const script =
  'lower=$1 mount=$2; shift 2; "$mount" -t overlay -o "ro,lowerdir=$lower" overlay all && exec "$@"';

/**
 * Copies what layers of an image show together. They are mounted in a mount namespace of the program that
 * copies, so that nobody else sees the mount, and that it is gone with the program however that ends.
 *
 * @param layers - Directories, each of which lies over the next one.
 * @param to - An empty directory, with room for another one beside it.
 * @throws CriuError `ERR_UNTRUSTED_PATH` for layers in a directory that another user can write to,
 * `ERR_SYSTEM_ERROR`.
 */
export async function copyLayers(
  layers: readonly string[],
  to: string,
  signal: AbortSignal,
): Promise<void> {
  await withScope(async (scope) => {
    const place = `${to}.image`;
    await mkdir(place, { mode: 0o700 });
    scope.defer(() => rm(place, { recursive: true, force: true }));
    // An overlay has two at least: the empty one is for images of one layer.
    for (const name of ['all', 'empty']) await mkdir(join(place, name), { mode: 0o755 });
    // By links their names are short, and have no characters that mean something to mount.
    for (const [index, layer] of layers.entries()) {
      closeSync(await openLayer(layer));
      await symlink(layer, join(place, String(index)));
    }
    const [unshare, mount, cp] = await Promise.all(['unshare', 'mount', 'cp'].map(absolute));
    const words = [[...layers.keys(), 'empty'].join(':'), mount ?? '', cp ?? ''];
    const args = [
      '--mount',
      '--',
      '/bin/sh',
      '-c',
      script,
      'sh',
      ...words,
      ...copying,
      'all/.',
      to,
    ];
    const said = await run(unshare ?? '', args, signal, place);
    if (said === undefined) return;
    throw new CriuError('ERR_SYSTEM_ERROR', `The files of the image cannot be copied: ${said}`);
  });
}

/** The path of a program, which is the same in every directory. */
async function absolute(name: string): Promise<string> {
  const found = await findRuntime(name);
  return found.includes('/') ? resolve(found) : found;
}

/**
 * Runs a program to its end.
 *
 * @param cwd - The directory in which it works.
 * @returns what it says where it fails; undefined where it does not, and where it was given up.
 */
async function run(
  program: string,
  args: readonly string[],
  signal: AbortSignal,
  cwd = '/',
): Promise<string | undefined> {
  const child = spawn(program, args, {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { LC_ALL: 'C' },
    cwd,
  });
  const kill = (): boolean => child.kill('SIGKILL');
  signal.addEventListener('abort', kill, { once: true });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    if (said.length < maxSaid) said += text;
  });
  try {
    const code = await new Promise<number | null>((done, reject) => {
      child.once('error', reject);
      child.once('close', done);
    });
    return code === 0 || signal.aborted ? undefined : (said.split('\n', 1)[0] ?? '');
  } finally {
    signal.removeEventListener('abort', kill);
  }
}
