import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

const server = fileURLToPath(new URL('children/forged-owners.mjs', import.meta.url));

/**
 * Mounts a FUSE file system of a user, whose root directory claims to be root's.
 *
 * @returns a function that takes it away.
 */
export async function mountForged(path: string, uid: number): Promise<() => Promise<void>> {
  const child = spawn(process.execPath, [server, path, String(uid)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(child, 'exit');
  // Without its server the file system answers with an error, so that umount cannot hang.
  const unmount = async (): Promise<void> => {
    child.kill('SIGKILL');
    await ended;
    execFileSync('umount', ['-l', path]);
  };
  const isReady = await Promise.race([
    once(child.stdout, 'data').then(() => true),
    ended.then(() => false),
  ]);
  if (!isReady) throw new Error(`${path} could not be mounted`);
  return unmount;
}
