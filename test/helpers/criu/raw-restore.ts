import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { decodeImage } from '../api.js';
import { criuBinary } from '../paths.js';
import type { Scope } from '../scope.js';
import { run, runOk, until } from '../system/exec.js';
import { isAlive } from '../system/process.js';
import type { Container } from '../workloads/container.js';

/** The mounts that the images do not have, as `mnt[KEY]:PATH`. */
async function externalMounts(imagePath: string): Promise<string[]> {
  const name = readdirSync(imagePath).find((one) => one.startsWith('mountpoints-'));
  if (name === undefined) throw new Error(`${imagePath} has no mounts`);
  const { entries } = await decodeImage(join(imagePath, name));
  return entries.flatMap((entry) => {
    const { ext_key: key, root } = entry as { ext_key?: string; root?: string };
    if (key === undefined) return [];
    // A cgroup's directory has the same name in the container as outside. All else is `/dev/null`.
    return [`mnt[${key}]:${key.startsWith('/sys/fs/cgroup/') ? `${key}${root}` : key}`];
  });
}

/**
 * Brings a container back by `criu restore` alone, with the options that runc gives CRIU, and makes the
 * cgroups that runc would have made: none is there.
 *
 * @returns the pid of its first process, which ends with the scope.
 */
export async function restoreByCriu(
  scope: Scope,
  { rootfs }: Container,
  imagePath: string,
): Promise<number> {
  // CRIU wants the root to be a mount point.
  const root = await scope.directory();
  await runOk('mount', ['--rbind', rootfs, root]);
  scope.defer(() => runOk('umount', ['--lazy', root]));
  const work = await scope.directory();
  const pidFile = join(work, 'pid');
  const external = (await externalMounts(imagePath)).flatMap((one) => ['--external', one]);
  const { code } = await run(criuBinary, [
    'restore',
    ...['--images-dir', imagePath, '--work-dir', work, '--log-file', 'restore.log', '-v4'],
    ...['--restore-detached', '--pidfile', pidFile, '--root', root, '--evasive-devices'],
    ...['--manage-cgroups', '--empty-ns', 'net', ...external],
  ]);
  const pid = existsSync(pidFile) ? Number(readFileSync(pidFile, 'utf8')) : 0;
  if (pid > 0) {
    scope.defer(async () => {
      await removeWithCgroups(pid);
    });
  }
  if (code === 0) return pid;
  const log = join(work, 'restore.log');
  const errors = existsSync(log) ? readFileSync(log, 'utf8').match(/^.*Error.*$/gm) : [];
  throw new Error(`criu restore: exit status ${code}\n${errors?.join('\n')}`);
}

async function removeWithCgroups(pid: number): Promise<void> {
  if (!isAlive(pid)) return;
  const groups = readFileSync(`/proc/${pid}/cgroup`, 'utf8').trim().split('\n');
  process.kill(pid, 'SIGKILL');
  await until(`process ${pid} is gone`, () => !isAlive(pid));
  for (const line of groups) {
    const [, names = '', ...path] = line.split(':');
    const hierarchy = names === '' ? ['unified', ''] : [names.replace(/^name=/, '')];
    for (const name of hierarchy) {
      const directory = join('/sys/fs/cgroup', name, path.join(':'));
      if (path.join(':') !== '/' && existsSync(directory)) await run('rmdir', [directory]);
    }
  }
}
