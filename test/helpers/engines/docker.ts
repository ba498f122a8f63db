import { join } from 'node:path';
import type { Scope } from '../scope.js';
import { run } from '../system/exec.js';
import { startDaemon } from './daemon.js';
import { boxArchive, call, dockerLike, type Engine, image, ulimits } from './engine.js';

/** What only docker has. */
export interface Docker extends Engine {
  /** Runs a command of docker. */
  call: (...args: string[]) => Promise<string>;
  /** Where its daemon listens, as `DOCKER_HOST` has it. */
  socket: string;
}

/** A dockerd of its own, with all of its directories in the scope's. */
export async function startDocker(
  scope: Scope,
  driver: 'vfs' | 'overlay2' = 'vfs',
): Promise<Docker> {
  const directory = await scope.directory();
  const socket = `unix://${join(directory, 'sock')}`;
  // dockerd leaves the network namespace of containers that had the host's mounted.
  scope.defer(() => run('umount', ['--lazy', join(directory, 'exec/netns/default')]));
  await startDaemon(
    scope,
    [
      'dockerd',
      ...['--iptables=false', '--ip6tables=false', '--bridge=none'],
      ...['--storage-driver', driver],
      ...['--experimental', '-H', socket, '--pidfile', join(directory, 'pid')],
      ...['--data-root', join(directory, 'data'), '--exec-root', join(directory, 'exec')],
      ...ulimits.flatMap((limit) => ['--default-ulimit', limit]),
    ],
    ['docker', '-H', socket, 'version'],
  );
  const docker = (...args: string[]): Promise<string> => call('docker', ['-H', socket, ...args]);
  await docker('import', await boxArchive(scope), image);
  const version = await docker('version', '--format', '{{.Server.Version}}');
  return {
    call: docker,
    socket,
    version: async () => `docker ${version}`,
    runtime: 'runc',
    ...dockerLike(scope, docker, (name) => run('docker', ['-H', socket, 'rm', '-f', name])),
    // From 28 on it looks for the network namespace of a process that is not there yet.
    ...(Number.parseInt(version, 10) >= 28 ? { networkInPlace: 'host' } : {}),
    restoreInPlace: async (name, checkpoint) => {
      await docker('start', '--checkpoint', checkpoint, name);
    },
  };
}
