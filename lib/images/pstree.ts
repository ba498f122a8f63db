import { BinaryReader, WireType } from '@bufbuild/protobuf/wire';
import { readFile } from '../base/files.js';

const commonMagic = 0x54564319;
const pstreeMagic = 0x50273030;
const pidField = 1;

/**
 * Decodes the content of a `pstree.img` file: the pids of the tasks as the tasks see them, the root's
 * first.
 *
 * @throws Error when it is not one, or is cut short.
 */
export function decodePids(file: Uint8Array): number[] {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  if (file.byteLength < 8) throw new Error('pstree.img is cut short');
  if (view.getUint32(0, true) !== commonMagic || view.getUint32(4, true) !== pstreeMagic) {
    throw new Error('not a pstree image');
  }
  const pids: number[] = [];
  for (let at = 8; at < file.byteLength; ) {
    const start = at + 4;
    const end = start <= file.byteLength ? start + view.getUint32(at, true) : Infinity;
    if (end > file.byteLength) throw new Error('pstree.img is cut short');
    pids.push(pidOf(file.subarray(start, end)));
    at = end;
  }
  return pids;
}

/**
 * Reads the pids that the tasks of a `pstree.img` had, and will have, in our pid namespace, the root's
 * first.
 *
 * @returns none for a tree with a pid namespace of its own, nor for a file that cannot be read: CRIU
 * will say what is wrong with it.
 */
export async function pidsAmongOurs(path: string): Promise<number[]> {
  const pids = await readFile(path)
    .then(decodePids)
    .catch(() => []);
  return pids[0] === 1 ? [] : pids;
}

function pidOf(message: Uint8Array): number {
  const reader = new BinaryReader(message);
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag();
    if (field === pidField && type === WireType.Varint) return reader.uint32();
    reader.skip(type, field);
  }
  throw new Error('pstree.img has a task without a pid');
}
