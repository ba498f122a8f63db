import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import {
  type DumpOptions,
  type DumpPromise,
  type DumpResult,
  dump,
  type LazyPagesOptions,
  startLazyPages,
} from '../api.js';
import { criuBinary } from '../paths.js';
import type { Scope } from '../scope.js';
import { freePort } from '../system/port.js';
import { allProcesses, startWorkload, type Workload } from '../system/process.js';

/** A process whose pages are served by its dump. */
export interface Lazy {
  workload: Workload;
  imagePath: string;
  port: number;
  dumping: DumpPromise<DumpResult>;
}

/** A lazy dump of a process with some memory, which is never left unhandled. */
export async function lazyDump(
  scope: Scope,
  options: DumpOptions = {},
  mebibytes = 32,
): Promise<Lazy> {
  const workload = await startWorkload(scope, ['memory', mebibytes]);
  const imagePath = join(await scope.directory(), 'images');
  const port = await freePort();
  const pageServer = `127.0.0.1:${port}`;
  const controller = new AbortController();
  const { signal } = controller;
  const dumping = dump(workload.pid, {
    imagePath,
    lazyPages: true,
    pageServer,
    signal,
    ...options,
  });
  const settled = dumping.catch(() => {});
  scope.defer(() => {
    controller.abort();
    return settled;
  });
  return { workload, imagePath, port, dumping };
}

/** A lazy-pages daemon that fetches from the dump. */
export async function daemonFor(
  scope: Scope,
  { imagePath, port }: Pick<Lazy, 'imagePath' | 'port'>,
  options: Partial<LazyPagesOptions> = {},
): Promise<Awaited<ReturnType<typeof startLazyPages>>> {
  const workPath = join(await scope.directory(), 'work');
  const daemon = await startLazyPages({
    imagePath,
    workPath,
    address: '127.0.0.1',
    port,
    ...options,
  });
  scope.defer(() => daemon.close({ force: true }));
  return daemon;
}

/** Restores in a pid namespace of its own, as the process that was dumped still has its pid. */
export function restoreApart(
  scope: Scope,
  imagePath: string,
  workPath: string,
): { child: ChildProcess; pid(): number } {
  const apart = ['--pid', '--fork', '--kill-child', '--mount-proc'];
  const place = ['-D', imagePath, '-W', workPath, '-o', 'restore.log', '-v4'];
  const child = spawn('unshare', [...apart, criuBinary, 'restore', '--lazy-pages', ...place], {
    stdio: 'ignore',
    detached: true,
  });
  const gone = once(child, 'exit');
  scope.defer(() => {
    child.kill('SIGKILL');
    return gone;
  });
  const childOf = (pid: number | undefined): number =>
    allProcesses().find(({ parent }) => parent === pid)?.pid ?? 0;
  // unshare, criu, and what it restores.
  return { child, pid: () => childOf(childOf(child.pid)) };
}
