import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, rmdirSync } from 'node:fs';
import { symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { expect } from 'vitest';
import { listContainers } from './api.js';
import type { Engine } from './engines/engine.js';
import { commandsOf } from './markdown.js';
import { distCli, environmentWithCriu } from './paths.js';
import type { Scope } from './scope.js';
import { sleep, until } from './system/exec.js';
import { mountTmpfs } from './system/mounts.js';

/** Runs each block that it reads, and reports that it has. What it runs has none of its descriptors. */
const reader =
  'exec 4<&0 </dev/null; while IFS= read -r -d "" -u 4 block; do eval "$block" 3>&- 4<&-; echo >&3; done';

/**
 * Runs the commands of a guide in the order that they stand there, in one shell that ends at the first
 * failure, on a machine that has no other containers.
 *
 * @param look - Tells after each block whether the container runs. After the last one it has to.
 */
export async function follow(
  scope: Scope,
  path: string,
  env: NodeJS.ProcessEnv,
  look: () => Promise<boolean>,
): Promise<void> {
  const blocks = commandsOf(path);
  const shell = spawn('bash', ['-euo', 'pipefail', '-c', reader], {
    stdio: ['pipe', 'pipe', 'pipe', 'pipe'],
    env: { ...env, PATH: await pathWithCommand(scope, env['PATH'] ?? '') },
  });
  const ended = once(shell, 'close');
  let output = '';
  for (const stream of [shell.stdout, shell.stderr] as Readable[]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  }
  const { stdin } = shell;
  // That it has ended is told by its reports.
  stdin.on('error', () => {});
  const reports = createInterface({ input: shell.stdio[3] as Readable })[Symbol.asyncIterator]();
  let runs = false;
  try {
    for (const { text, line } of blocks) {
      stdin.write(`${text}\0`);
      const { done } = await reports.next();
      if (done === true) throw new Error(`${path}:${line} failed:\n${text}\n${output}`);
      runs = await look();
    }
  } finally {
    stdin.end();
    await ended;
  }
  expect(runs, `${path} ends with a container that runs`).toBe(true);
}

/** Puts the command where a package manager would. */
async function pathWithCommand(scope: Scope, others: string): Promise<string> {
  const directory = await scope.directory();
  await symlink(distCli, join(directory, 'libcriu'));
  return `${directory}:${others}`;
}

/** The environment of a reader, in which engines find criu. */
export function readersEnvironment(more: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return { ...environmentWithCriu(), ...more };
}

/** Where engines keep what they know of containers, and where guides put their files. */
const engines = ['/run/runc', '/run/crun', '/run/docker', '/run/containerd'] as const;
// podman has its locks in shared memory.
const files = ['/srv', '/var/lib/libcriu', '/dev/shm'] as const;

/** Gives the test process directories of its own in the place of those of the machine. */
export async function hideMachine(scope: Scope): Promise<void> {
  for (const directory of [...engines, ...files]) {
    const made = mkdirSync(directory, { recursive: true });
    if (made !== undefined) scope.defer(() => rmdirSync(directory));
    await mountTmpfs(scope, 'mode=755', directory);
  }
  const { containers } = await listContainers();
  const names = containers.map(({ name }) => name);
  if (names.includes('web')) throw new Error('this machine has a container called web');
}

/** What tells the number that a container has written last, and rejects while it does not run. */
export type Counter = Pick<Engine, 'count'>;

/**
 * Makes what fails when a container has begun anew: it has to count on from where it was seen last. It
 * resolves to whether the container runs.
 */
export function countsOn(engine: Counter, name: string): () => Promise<boolean> {
  let last = 0;
  /** `undefined` while it does not run. What is read while it writes is empty, which is 0. */
  const count = (): Promise<number | undefined> =>
    until(`${name} has a number`, async () => {
      const number = await engine.count(name).catch(() => 'none' as const);
      return number !== 0 && { number: number === 'none' ? undefined : number };
    }).then(({ number }) => number);
  return async () => {
    const first = await count();
    if (first === undefined) return false;
    expect(first).toBeGreaterThanOrEqual(last);
    // One that begins anew may have the number that it had reached before for a moment.
    last = await until(`${name} counts on`, async () => {
      // A call of an engine takes much of the processor, which others need to count.
      await sleep(500);
      const next = await count();
      return next !== undefined && (next < first || next > first + 5) && next;
    });
    expect(last).toBeGreaterThan(first);
    return true;
  };
}
