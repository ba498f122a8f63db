import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { criuBinary } from '../paths.js';
import type { Scope } from '../scope.js';
import { until } from '../system/exec.js';
import { listensAt } from '../system/network.js';

/** A criu command that serves somebody. */
export interface StartedCriu {
  child: ChildProcess;
  pid: number;
  /** Resolves to its exit status, null after a signal. */
  ended: Promise<number | null>;
}

/** Starts `criu ARGS`, which is killed at the end of the test. */
export function startCriu(scope: Scope, ...args: string[]): StartedCriu {
  return start(scope, [criuBinary, ...args]);
}

function start(scope: Scope, [command = '', ...args]: string[], cwd?: string): StartedCriu {
  const child = spawn(command, args, { stdio: 'ignore', cwd });
  const ended = once(child, 'exit').then(([code]) => code as number | null);
  scope.defer(async () => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
    await ended;
  });
  return { child, pid: child.pid ?? 0, ended };
}

export interface StartedService extends StartedCriu {
  /** The path of its socket. */
  service: string;
  directory: string;
}

/** Starts a `criu service`, by the command `before` it if there is one. */
export async function startService(scope: Scope, ...before: string[]): Promise<StartedService> {
  const directory = await scope.directory();
  const service = join(directory, 'criu.sock');
  const place = ['--address', service, '--log-file', join(directory, 'service.log')];
  const started = start(scope, [...before, criuBinary, 'service', ...place], directory);
  await until('the service listens', () => listensAt(service));
  return { ...started, service, directory };
}
