import { readFileSync, writeFileSync } from 'node:fs';
import type { Scope } from '../scope.js';
import { until } from './exec.js';

/** The addresses and ports at which somebody in our network namespace listens, as the kernel writes them. */
export function allListeners(): string[] {
  return ['/proc/net/tcp', '/proc/net/tcp6'].flatMap((table) =>
    [...readFileSync(table, 'utf8').matchAll(/: ([0-9A-F]+:[0-9A-F]{4}) \S+ 0A /g)].map(
      (match) => match[1] ?? '',
    ),
  );
}

/**
 * Waits until nobody listens any more who did not before. Other programs of the machine may have
 * ended meanwhile.
 */
export async function noNewListener(before: readonly string[]): Promise<void> {
  await until('nobody listens that did not', () =>
    allListeners().every((place) => before.includes(place)),
  );
}

/** The local addresses on which somebody listens at a port, as the kernel writes them. */
export function listeners(port: number): string[] {
  const hex = port.toString(16).toUpperCase().padStart(4, '0');
  return allListeners()
    .filter((place) => place.endsWith(`:${hex}`))
    .map((place) => place.slice(0, -hex.length - 1));
}

export const listens = (port: number) => (): boolean => listeners(port).length > 0;

/** The flag of a Unix socket that somebody listens at, which is there after its file. */
const acceptsConnections = ' 00010000 ';

/** Whether somebody listens at a Unix socket. */
export function listensAt(path: string): boolean {
  return readFileSync('/proc/net/unix', 'utf8')
    .split('\n')
    .some((line) => line.includes(acceptsConnections) && line.endsWith(` ${path}`));
}

/** An IPv4 address as the kernel writes it. */
export function kernelAddress(address: string): string {
  const bytes = address.split('.').map((byte) => Number(byte).toString(16).padStart(2, '0'));
  return bytes.reverse().join('').toUpperCase();
}

/** Where root has no CAP_SYS_RESOURCE, CRIU cannot have pipes larger than this setting. */
export function useLargePipes(scope: Scope): void {
  const setting = '/proc/sys/fs/pipe-max-size';
  const before = readFileSync(setting, 'utf8');
  writeFileSync(setting, String(Math.max(Number(before), 4 * 1024 * 1024)));
  scope.defer(() => writeFileSync(setting, before));
}
