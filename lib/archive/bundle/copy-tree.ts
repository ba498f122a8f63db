import { spawn } from 'node:child_process';
import { CriuError } from '../../base/errors.js';
import { findRuntime } from '../../container/runtime.js';
import { shownPath } from '../../linux/paths.js';

/** What cp says is in its first lines. */
const maxSaid = 4096;

/**
 * Copies a directory with all that Node.js has no functions for: owners, extended attributes, hard links
 * and devices. What another file system is mounted to in it is left out. Where the file system can share
 * blocks between files they are shared.
 *
 * @param to - A directory that is empty, or not there.
 * @throws CriuError `ERR_SYSTEM_ERROR` with what cp says.
 */
export async function copyTree(from: string, to: string, signal: AbortSignal): Promise<void> {
  const program = await findRuntime('cp');
  const args = ['--archive', '--one-file-system', '--reflink=auto', '--', `${from}/.`, to];
  const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'pipe'], env: { LC_ALL: 'C' } });
  const kill = (): boolean => child.kill('SIGKILL');
  signal.addEventListener('abort', kill, { once: true });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    if (said.length < maxSaid) said += text;
  });
  try {
    const code = await new Promise<number | null>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', resolve);
    });
    if (code === 0 || signal.aborted) return;
    const why = said.split('\n', 1)[0] ?? '';
    throw new CriuError(
      'ERR_SYSTEM_ERROR',
      `The root file system ${shownPath(from)} cannot be copied: ${why}`,
    );
  } finally {
    signal.removeEventListener('abort', kill);
  }
}
