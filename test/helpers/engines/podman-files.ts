import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Scope } from '../scope.js';
import { run, runOk } from '../system/exec.js';
import { ulimits } from './engine.js';
import { runtime } from './podman.js';

/**
 * Writes the configuration of a podman that has its storage in a directory of the scope's and makes
 * containers without a network, for who calls it without flags.
 *
 * @returns The environment by which podman finds it.
 */
export async function podmanFiles(scope: Scope): Promise<NodeJS.ProcessEnv> {
  const directory = await scope.directory();
  const storage = join(directory, 'storage.conf');
  const containers = join(directory, 'containers.conf');
  await writeFile(
    storage,
    `[storage]
driver = "overlay"
graphroot = "${join(directory, 'storage')}"
runroot = "${join(directory, 'run')}"
`,
  );
  await writeFile(
    containers,
    `[containers]
default_ulimits = ${JSON.stringify(ulimits)}
netns = "none"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "${runtime}"
tmp_dir = "${join(directory, 'tmp')}"
`,
  );
  // The driver mounts its own directory over itself.
  scope.defer(() => run('umount', ['--lazy', join(directory, 'storage/overlay')]));
  return { CONTAINERS_STORAGE_CONF: storage, CONTAINERS_CONF: containers };
}

/** Removes all containers of such a podman when the test is over. */
export function removeContainers(scope: Scope, env: NodeJS.ProcessEnv): void {
  scope.defer(() => runOk('podman', ['rm', '--all', '--force', '--time', '0'], { env }));
}
