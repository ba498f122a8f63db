import { CriuError } from '../base/errors.js';
import { nativeAddon } from '../native/addon.js';
import type { Procfs } from './procfs.js';

/** A socket of one of the tables in `/proc/PID/net`. */
export interface Socket {
  readonly inode: string;
  readonly family: 'tcp' | 'other';
  /** The kernel's hexadecimal state. */
  readonly state: string;
  /** Both addresses of a connection, or the one where it listens. */
  readonly name: string;
  /** How many connections nobody has accepted yet, when the socket listens. */
  readonly waiting: number;
  /** Bytes that a UDP socket has not sent yet. */
  readonly unsent?: number;
  /** Bytes of a netlink socket that nobody has read. */
  readonly unread?: number;
}

/** The state of a TCP socket that listens. */
export const tcpListening = '0A';

const tcpTables = ['tcp', 'tcp6'] as const;
const otherTables = ['udp', 'udp6', 'udplite', 'udplite6', 'raw', 'raw6', 'icmp', 'icmp6'] as const;

/** The columns that have the inode, and what is to be read, in the tables of the families that have nothing else to tell. */
const columnTables = [
  ['netlink', 9, 4],
  ['packet', 8, undefined],
] as const;

/** Reads the sockets of the network namespace that a process is in, except for those of unix. */
export async function readSockets(proc: Procfs, pid: number): Promise<Socket[]> {
  const read = async (table: string): Promise<string> =>
    (await proc.text(`${pid}/net/${table}`)) ?? '';
  const sockets: Socket[] = [];
  for (const table of tcpTables) sockets.push(...parseInet(await read(table), 'tcp'));
  for (const table of otherTables) sockets.push(...parseInet(await read(table), 'other'));
  for (const [table, column, readColumn] of columnTables) {
    sockets.push(...parseColumn(await read(table), column, readColumn));
  }
  return sockets;
}

/** Parses `/proc/net/tcp` and its like: sl local remote st tx:rx tr:tm retrnsmt uid timeout inode. */
export function parseInet(text: string, family: 'tcp' | 'other'): Socket[] {
  return rowsOf(text).flatMap((row): Socket[] => {
    const columns = row.trim().split(/\s+/);
    const [, local, remote, state = '', queues = ''] = columns;
    const inode = columns[9];
    if (local === undefined || remote === undefined || inode === undefined) return [];
    const isListening = state === tcpListening;
    const waiting = isListening ? Number.parseInt(queues.split(':')[1] ?? '0', 16) : 0;
    const unsent = Number.parseInt(queues, 16) || 0;
    const name = isListening ? address(local) : `${address(local)} - ${address(remote)}`;
    return [{ inode, family, state, name, waiting, unsent }];
  });
}

function parseColumn(text: string, column: number, readColumn?: number): Socket[] {
  return rowsOf(text).flatMap((row): Socket[] => {
    const columns = row.trim().split(/\s+/);
    const inode = columns[column];
    if (inode === undefined) return [];
    const unread = Number(columns[readColumn ?? -1] ?? 0);
    return [{ inode, family: 'other', state: '', name: '', waiting: 0, unread }];
  });
}

/**
 * The kernel's name for the protocol of a socket that a process has open, such as `TCP` or `MPTCP`;
 * undefined where it may not be looked at, or without the native addon.
 */
export function socketProtocol({ pid, fd }: { pid: number; fd: number }): string | undefined {
  try {
    return nativeAddon().socketProtocol(pid, fd);
  } catch (error) {
    if (error instanceof CriuError) return undefined;
    throw error;
  }
}

/** The rows of a table, without its head. */
function rowsOf(text: string): string[] {
  return text.split('\n').slice(1);
}

/** Shows an address, which the kernel writes as 32-bit words in the machine's byte order. */
function address(text: string): string {
  const [hex = '', port = ''] = text.split(':');
  const words = hex.match(/[0-9A-Fa-f]{8}/g) ?? [];
  const bytes = words.flatMap((word) => {
    const buffer = Buffer.alloc(4);
    buffer.writeUInt32LE(Number.parseInt(word, 16));
    return [...buffer];
  });
  const number = Number.parseInt(port, 16);
  if (bytes.length === 4) return `${bytes.join('.')}:${number}`;
  const isMapped = bytes.slice(0, 10).every((byte) => byte === 0) && bytes[10] === 255;
  if (isMapped) return `${bytes.slice(12).join('.')}:${number}`;
  const groups: string[] = [];
  for (let at = 0; at < 16; at += 2) {
    groups.push((((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0)).toString(16));
  }
  const longest = groups.join(':').replace(/(?:^|:)0(?::0)+(?:$|:)/, '::');
  return `[${longest}]:${number}`;
}
