import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { environmentWithCriu } from '../paths.js';
import type { Scope } from '../scope.js';
import { run, until } from '../system/exec.js';

/**
 * Starts a daemon, which ends with the scope, and waits until it answers.
 *
 * @param client - A command that succeeds when it does.
 */
export async function startDaemon(
  scope: Scope,
  [program, ...args]: readonly [string, ...string[]],
  [client, ...question]: readonly [string, ...string[]],
): Promise<void> {
  const daemon = spawn(program, args, { stdio: 'ignore', env: environmentWithCriu() });
  const gone = once(daemon, 'exit');
  scope.defer(async () => {
    daemon.kill('SIGTERM');
    await gone;
  });
  const answers = async (): Promise<boolean> => (await run(client, question)).code === 0;
  await until(`${program} answers`, answers, 60_000);
}

/** What a configuration of containerd has beside its places. */
interface ContainerdSettings {
  /** Of the file's format. */
  version: number;
  /** Lines before the first table. */
  top?: string;
  /** Tables. */
  tables?: string;
}

/** Starts a containerd with all of its directories, and its socket, in one. */
export async function startContainerdIn(
  scope: Scope,
  directory: string,
  { version, top = '', tables = '' }: ContainerdSettings,
): Promise<{ socket: string }> {
  const socket = join(directory, 'sock');
  const config = join(directory, 'config.toml');
  await writeFile(
    config,
    `version = ${version}
root = "${join(directory, 'root')}"
state = "${join(directory, 'state')}"
${top}
[grpc]
  address = "${socket}"
${tables}
`,
  );
  const client = ['ctr', '--address', socket, 'version'] as const;
  await startDaemon(scope, ['containerd', '--config', config], client);
  return { socket };
}
