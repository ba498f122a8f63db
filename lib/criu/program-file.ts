import { closeFd, openFd, readFd } from '../base/files.js';
import { kernelDataDirectory } from './kernel-data.js';

/** What the file of a criu program tells without being run. */
export interface ProgramFile {
  /** Where it keeps what it knows of the kernel. */
  kernelDataDirectory: string | undefined;
  /** Whether it is built with nftables. */
  linksNftables: boolean;
}

/** The file is read in pieces of this size, of which the end is looked at again with the next one. */
const pieceSize = 256 * 1024;
/** A path has no more bytes than these. */
const overlap = 4096 + 32;

/** Reads so much of the file as is needed, which for a criu is a small part of it. */
export async function readProgramFile(path: string): Promise<ProgramFile> {
  const found: ProgramFile = { kernelDataDirectory: undefined, linksNftables: false };
  const fd = await openFd(path, 'r');
  try {
    const buffer = Buffer.allocUnsafe(overlap + pieceSize);
    let kept = 0;
    for (let position = 0; ; ) {
      const { bytesRead } = await readFd(fd, buffer, kept, buffer.length - kept, position);
      if (bytesRead === 0) return found;
      position += bytesRead;
      const piece = buffer.subarray(0, kept + bytesRead);
      found.kernelDataDirectory ??= kernelDataDirectory(piece);
      found.linksNftables ||= piece.includes('libnftables.so');
      if (found.kernelDataDirectory !== undefined && found.linksNftables) return found;
      kept = Math.min(overlap, piece.length);
      piece.copy(buffer, 0, piece.length - kept);
    }
  } finally {
    await closeFd(fd);
  }
}
