import { join } from 'node:path';
import { runOk } from '../system/exec.js';
import { countsBeyond } from './engine.js';
import type { Podman } from './podman.js';

/**
 * Appends ascending numbers to /log, changes the image, and has a file in shared memory. What it removes
 * is no link: podman 5.8 removes what a link led to in its place.
 */
const program = [
  'sh',
  '-c',
  'rm /bin/gone; mkdir /made; echo shared >/dev/shm/file; i=0; ' +
    'while :; do i=$((i+1)); echo $i >>/log; sleep 0.01; done',
] as const;

/** The name of a container that no other test process uses. */
export const uniqueName = (name: string): string => `libcriu-${process.pid}-${name}`;

/** Starts a container of podman that appends to a file, and gives its name when it has done so. */
export async function startAppending(
  podman: Podman,
  name: string,
  flags: readonly string[] = [],
): Promise<string> {
  await podman.start({ name, flags, program });
  await logBeyond(podman, name, 20);
  return name;
}

/** The numbers in the log of a container. */
export async function logOf(podman: Podman, name: string): Promise<number[]> {
  return (await podman.exec(name, 'cat', '/log')).split('\n').map(Number);
}

const logBeyond = (podman: Podman, name: string, number: number): Promise<number> =>
  countsBeyond(
    { ...podman, count: async (one) => (await logOf(podman, one)).length },
    name,
    number,
  );

/** The log of a container when it has gone on, from when it had this many lines. */
export async function logAfter(podman: Podman, name: string, lines: number): Promise<number[]> {
  await logBeyond(podman, name, lines + 3);
  return await logOf(podman, name);
}

/**
 * Whether the file is in step with the memory. One that was ahead of it would have a number twice; one
 * behind it would lack one.
 */
export function isInStep(log: readonly number[]): boolean {
  return log.every((number, index) => number === index + 1);
}

/** The number of lines of the log that an archive has. */
export async function archivedLog(file: string, directory: string): Promise<number> {
  await runOk('tar', ['--extract', '--file', file, '--directory', directory, 'rootfs-diff.tar']);
  const words = ['--extract', '--to-stdout', '--file', join(directory, 'rootfs-diff.tar'), 'log'];
  return (await runOk('tar', words)).trim().split('\n').length;
}
