import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { PoolOptions, PoolRunnerInitializer, PoolWorker, WorkerRequest } from 'vitest/node';
import { kernelDataDirectory } from '../../tools/criu.mjs';
import { criuBinary } from '../helpers/paths.js';

/** Which command makes the mount namespace, and what is mounted in it. */
const unshare = ['unshare', '--mount', '--propagation', 'private', '--'] as const;

/** What goes before a command that is to run in there. */
export const enter: readonly string[] = [
  resolve(import.meta.dirname, 'enter.sh'),
  criuBinary,
  // A criu makes its cache where there is a directory for it.
  existsSync(criuBinary) ? (kernelDataDirectory(criuBinary) ?? '/run') : '/run',
];

/** What a test process that does not end by itself may take. */
const killAfterMs = 10_000;

/**
 * Vitest's pool of child processes, each in a mount namespace in which CRIU has no configuration and
 * no cache yet: neither what the machine's administrator has set for CRIU nor another build of CRIU
 * changes what a test sees, and whatever a test mounts is gone with its process. Another user than
 * root gets plain processes, in which the tests that need root say so.
 */
export function namespacePool(): PoolRunnerInitializer {
  return {
    name: 'namespace',
    createPoolWorker: (options) => new NamespaceWorker(options),
  };
}

class NamespaceWorker implements PoolWorker {
  readonly name = 'namespace';
  readonly cacheFs = true;
  readonly #options: PoolOptions;
  #child: ChildProcess | undefined;

  constructor(options: PoolOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    const { distPath, env, execArgv } = this.#options;
    // For an addon that needs a special one: scripts/sanitize.mjs.
    const node = process.env['LIBCRIU_TEST_NODE'] ?? process.execPath;
    const [command, ...before] = process.geteuid?.() === 0 ? [...unshare, ...enter, node] : [node];
    // Each of these programs becomes the next one, so that the child's pid is that of Node.
    this.#child = fork(join(distPath, 'workers/forks.js'), [], {
      env,
      execPath: command,
      execArgv: [...before, ...execArgv],
      serialization: 'advanced',
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
  }

  async stop(): Promise<void> {
    const child = this.#running;
    if (child.exitCode !== null || child.signalCode !== null) return;
    const killer = setTimeout(() => child.kill('SIGKILL'), killAfterMs);
    child.kill();
    await once(child, 'exit');
    clearTimeout(killer);
  }

  on(event: string, callback: (argument: unknown) => void): void {
    this.#running.on(event, callback);
  }

  off(event: string, callback: (argument: unknown) => void): void {
    this.#running.off(event, callback);
  }

  send(message: WorkerRequest): void {
    this.#running.send(message);
  }

  deserialize(data: unknown): unknown {
    return data;
  }

  get #running(): ChildProcess {
    if (this.#child === undefined) throw new Error('the test process was not started');
    return this.#child;
  }
}
