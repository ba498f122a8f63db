import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Scope } from '../scope.js';
import { never, until } from '../system/exec.js';
import { allProcesses, isAlive, tracerOf } from '../system/process.js';
import { type Container, startContainer } from './container.js';

/** Appends `<number> <uptime in s>` to `/log`, opening it anew for each line. */
const counting =
  'i=0; while :; do i=$((i+1)); read -r up rest </proc/uptime; echo "$i $up" >>/log; usleep 20000; done';

export interface HeavyOptions {
  /** Of memory, which the dump takes time to write. */
  mebibytes: number;
  /** One of its processes holds a file lock, which CRIU refuses without `fileLocks`. */
  locking?: boolean;
  id?: string;
}

/** A container that counts and listens, and whose dump lasts long enough for something to happen to it. */
export async function startHeavyContainer(
  scope: Scope,
  { mebibytes, locking = false, id }: HeavyOptions,
): Promise<Container> {
  // For the sake of this one the network is locked.
  const listener = '/workload /listens listen &';
  const locker = locking ? '/workload /locked lock /lock &' : '';
  const container = await startContainer(scope, {
    args: [
      '/bin/sh',
      '-c',
      `/workload /filled memory ${mebibytes} & ${listener} ${locker} ${counting}`,
    ],
    ...(id === undefined ? {} : { id }),
  });
  await until(
    `container ${container.id} is ready`,
    () =>
      ['filled', 'listens', ...(locking ? ['locked'] : [])].every((name) => {
        const file = join(container.rootfs, name);
        return existsSync(file) && statSync(file).size > 0;
      }),
    20_000,
  );
  await container.countsOn();
  return container;
}

/** So that a dump which is to be hit on its way cannot pass unseen. */
export const waitsAtTheEnd = { postDump: never };

/** More than the shell of a heavy container has. */
const severalMebibytes = 8 << 20;

/**
 * Whether criu is at the memory of a large process. Before, while it puts its code into one, to be
 * killed can be the end of that.
 */
export function writesMemory(imagePath: string): boolean {
  const names = existsSync(imagePath) ? readdirSync(imagePath) : [];
  return names
    .filter((name) => /^pages-\d+\.img$/.test(name))
    .some((name) => statSync(join(imagePath, name)).size > severalMebibytes);
}

/** Waits until criu writes the memory of a heavy container, and gives criu's pid. */
export async function criuWriting(container: Container, imagePath: string): Promise<number> {
  return await until('criu writes memory pages', () =>
    writesMemory(imagePath) ? tracerOf(container.pid) : undefined,
  );
}

/** Waits until a process is gone, a dead one that nobody has reaped included. */
export async function isGone(pid: number, timeoutMs?: number): Promise<void> {
  await until(`process ${pid} is gone`, () => !isAlive(pid), timeoutMs);
}

/** Living children of this process by this name. */
export function childrenNamed(name: string): number[] {
  return allProcesses()
    .filter((state) => state.parent === process.pid && state.name === name)
    .filter(({ pid }) => isAlive(pid))
    .map(({ pid }) => pid);
}
