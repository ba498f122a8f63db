import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Scope } from '../scope.js';
import { runOk } from '../system/exec.js';
import { podmanFiles } from './podman-files.js';

/** Where a machine has what it knows of containers, and where guides put their files. */
const own = ['/srv', '/run/runc', '/run/crun', '/var/lib/libcriu', '/dev/shm'] as const;

/** A mount namespace that stands for a second machine, which has its own podman. */
export interface OtherMachine {
  /** Has `ssh` and `scp`, which reach it by the name `other`. */
  bin: string;
  /** Runs a command there. */
  call: (command: string) => Promise<string>;
}

/**
 * Starts a second machine. Only the way to it is not real: `ssh` and `scp` are scripts that enter its
 * namespace.
 */
export async function startOtherMachine(
  scope: Scope,
  env: NodeJS.ProcessEnv,
): Promise<OtherMachine> {
  const its = await podmanFiles(scope);
  const bin = await scope.directory();
  const mounts = own.map((directory) => `mount -t tmpfs -o mode=755 tmpfs ${directory}`);
  const holder = spawn(
    'unshare',
    [
      ...['--mount', '--propagation', 'private', 'sh', '-ec'],
      [...mounts, 'echo ready', 'exec sleep infinity'].join('\n'),
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  const ended = once(holder, 'exit');
  scope.defer(async () => {
    holder.kill();
    await ended;
  });
  await Promise.race([
    once(holder.stdout, 'data'),
    ended.then(() => Promise.reject(new Error('the other machine does not start'))),
  ]);
  const settings = Object.entries(its).map(([name, value]) => `${name}=${value}`);
  const enter = `exec env ${settings.join(' ')} nsenter --mount --target ${holder.pid} sh -c`;
  // ssh joins its words by spaces and has a shell take them apart.
  await script(join(bin, 'ssh'), `shift\n${enter} "$*"`);
  await script(join(bin, 'scp'), `${enter} 'cat >"$1"' sh "\${2#other:}\${1##*/}" <"$1"`);
  const call = (command: string): Promise<string> =>
    runOk(join(bin, 'ssh'), ['other', command], { env });
  scope.defer(() => call('podman rm --all --force --time 0'));
  return { bin, call };
}

async function script(path: string, text: string): Promise<void> {
  await writeFile(path, `#!/bin/sh\n${text}\n`, { mode: 0o755 });
}
