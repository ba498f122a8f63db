import type { Scope } from '../scope.js';
import { run, runOk, until } from './exec.js';

/** Mounts a tmpfs with these mount options, at a new directory unless there is a path. */
export async function mountTmpfs(scope: Scope, options = '', path?: string): Promise<string> {
  const mountpoint = path ?? (await scope.directory());
  const words = options === '' ? [] : ['-o', options];
  await runOk('mount', ['-t', 'tmpfs', ...words, 'tmpfs', mountpoint]);
  scope.defer(() => runOk('umount', ['--lazy', mountpoint]));
  return mountpoint;
}

/**
 * A directory on a mount that takes part in the propagation of mounts, as `/` does where systemd has booted.
 * The namespace of the tests is private.
 */
export async function sharedDirectory(scope: Scope): Promise<string> {
  const directory = await scope.directory();
  await runOk('mount', ['--bind', directory, directory]);
  scope.defer(() => runOk('umount', ['--lazy', directory]));
  await runOk('mount', ['--make-shared', directory]);
  return directory;
}

/** The criu that is just ending may have its log open for another moment. */
export async function remountReadOnly(place: string, options = 'remount,ro'): Promise<void> {
  await until(
    'the file system can be made read-only',
    async () => (await run('mount', ['-o', options, place])).code === 0,
  );
}
