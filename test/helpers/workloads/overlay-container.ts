import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Scope } from '../scope.js';
import { runOk } from '../system/exec.js';
import { mountTmpfs } from '../system/mounts.js';
import { type Container, type ContainerOptions, startContainer } from './container.js';

/** Starts a container whose root file system is an overlay, as those of engines are. */
export async function startOnOverlay(
  scope: Scope,
  options: ContainerOptions = {},
): Promise<Container> {
  const top = await mountTmpfs(scope, 'mode=755');
  const [upper, work] = ['upper', 'work'].map((name) => join(top, name)) as [string, string];
  for (const directory of [upper, work]) mkdirSync(directory);
  return await startContainer(scope, {
    ...options,
    configure: (config, directories) => {
      options.configure?.(config, directories);
      const { rootfs } = directories;
      const words = `lowerdir=${rootfs},upperdir=${upper},workdir=${work}`;
      execFileSync('mount', ['-t', 'overlay', '-o', words, 'overlay', rootfs]);
      scope.defer(() => runOk('umount', ['--lazy', rootfs]));
    },
  });
}
