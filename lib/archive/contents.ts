import { closeSync, constants } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { openFd } from '../base/files.js';
import { isWrittenName } from '../images/names.js';
import { members } from './members.js';
import type { StillArchive } from './still.js';
import type { ArchiveWriter } from './writer.js';

/** What an archive is made of. */
export interface Contents {
  /** The texts of the members of these names. */
  config: string;
  spec: string;
  status: string;
  /** The images directory. */
  images: string;
  /** What was archived of the container's files while it stood still. */
  still: readonly { member: string; archive: StillArchive }[];
}

/** What CRIU or we have written that is of no use to others. */
const leftOut: ReadonlySet<string> = new Set([members.statsDump, 'lazy-pages.socket', 'parent']);

/** Writes all members: first the small ones, so that a reader knows early what it has before it. */
export async function addCheckpoint(writer: ArchiveWriter, contents: Contents): Promise<void> {
  const { config, spec, status, images, still } = contents;
  await writer.addText(members.configDump, config);
  await writer.addText(members.specDump, spec);
  await writer.addText(members.statusDump, status);
  await writer.addText(members.networkStatus, 'null');
  const removed = still.flatMap(({ archive }) => archive.removed);
  if (removed.length > 0) await writer.addText(members.deletedFiles, JSON.stringify(removed));
  const names = await readdir(images);
  // CRIU writes it at the very end of a dump: it is not there while the tasks stand still.
  if (names.includes(members.statsDump)) {
    await addFile(writer, members.statsDump, join(images, members.statsDump));
  }
  await writer.addDirectory(members.checkpoint);
  await addImages(writer, images, `${members.checkpoint}/`);
  const volumes = still.filter(({ member }) => member.startsWith(`${members.volumes}/`));
  for (const { member, archive } of still) {
    if (member === volumes[0]?.member) await writer.addDirectory(members.volumes);
    await writer.addFile(member, archive.fd);
  }
}

/**
 * Writes the images, and what a runtime needs beside them.
 *
 * @param images - Their directory.
 * @param prefix - What stands before their names.
 */
export async function addImages(writer: ArchiveWriter, images: string, prefix = ''): Promise<void> {
  for (const name of (await readdir(images)).sort()) {
    if (!isWrittenName(name) || leftOut.has(name) || name.startsWith('tmp-')) continue;
    await addFile(writer, `${prefix}${name}`, join(images, name));
  }
}

async function addFile(writer: ArchiveWriter, member: string, path: string): Promise<void> {
  const fd = await openFd(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    await writer.addFile(member, fd);
  } finally {
    closeSync(fd);
  }
}
