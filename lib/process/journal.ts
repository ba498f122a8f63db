import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import type { Scope } from '../base/scope.js';
import { journalFile, readStreams, type SavedStream } from '../images/journal.js';
import { journalSocket, openStream } from '../linux/journal.js';
import { unitOf } from '../linux/systemd.js';
import { readUnixSockets } from '../linux/unix-sockets.js';
import { nativeAddon } from '../native/addon.js';
import type { InheritedFd } from '../options/inherited-fd.js';
import { treeOf } from '../preflight/unrestorable.js';

/** What a dump is asked for so that streams to the journal can be connected anew. */
interface SavedJournal {
  external: readonly string[];
  /** The file for the images: [name, content]. */
  file: readonly [string, string];
}

/**
 * Finds the sockets of a tree that are connected to the journal.
 *
 * @param root - The root of the tree.
 */
export async function saveJournal(root: number): Promise<SavedJournal> {
  const candidates = await connectedToJournal(root);
  const streams = new Map<string, SavedStream>();
  for (const pid of candidates.size === 0 ? [] : treeOf(root)) {
    for (const inode of socketsOf(pid)) {
      if (!candidates.has(inode) || streams.has(inode)) continue;
      const identifier = textOf(`/proc/${pid}/comm`).trim();
      streams.set(inode, { inode, identifier, unit: unitOf(textOf(`/proc/${pid}/cgroup`)) ?? '' });
    }
  }
  const external = [...streams.keys()].map((inode) => `unix[${inode}]`);
  return { external, file: journalFile([...streams.values()]) };
}

/**
 * Connects the streams of images to the journal anew.
 *
 * @param scope - Closes our descriptors of them at its end.
 * @throws CriuError `ERR_SYSTEM_ERROR` when there is no journal.
 */
export async function reopenJournal(images: string, scope: Scope): Promise<InheritedFd[]> {
  return (await readStreams(images)).map((stream) => {
    const fd = openStream(stream);
    scope.defer(() => nativeAddon().closeDescriptor(fd));
    return { fd, resource: `socket:[${stream.inode}]` };
  });
}

/** The inodes of sockets whose other end is journald's. */
async function connectedToJournal(root: number): Promise<ReadonlySet<string>> {
  // systemd makes them in its own network namespace, whichever the service is in.
  const all = [process.pid, root].map((pid) => readUnixSockets(pid));
  const sockets = (await Promise.all(all)).flatMap((some) => some ?? []);
  const journals = new Set(
    sockets.filter(({ name }) => name === journalSocket).map(({ inode }) => inode),
  );
  const ours = sockets.filter(({ peer }) => peer !== undefined && journals.has(peer));
  return new Set(ours.map(({ inode }) => inode));
}

function socketsOf(pid: number): string[] {
  const names = attempt(() => readdirSync(`/proc/${pid}/fd`)) ?? [];
  return names.flatMap((fd) => {
    const link = attempt(() => readlinkSync(`/proc/${pid}/fd/${fd}`)) ?? '';
    return /^socket:\[(\d+)\]$/.exec(link)?.[1] ?? [];
  });
}

function textOf(path: string): string {
  return attempt(() => readFileSync(path, 'utf8')) ?? '';
}

function attempt<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined; // gone meanwhile
  }
}
