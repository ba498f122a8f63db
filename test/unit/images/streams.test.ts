import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { decode } from '../../../lib/images/codec/decode.js';
import { encode } from '../../../lib/images/codec/encode.js';
import { withStreams } from '../../../lib/images/streams.js';

const fown = { uid: 0, euid: 0, signum: 0, pid_type: 0, pid: 0 };
const nonBlocking = 0o4000;

const regular = (id: number, name: string): object => ({
  type: 'REG',
  id,
  reg: { id, flags: 2, pos: 0, fown, name },
});
const pipe = (id: number, flags = 0): object => ({
  type: 'PIPE',
  id,
  pipe: { id, pipe_id: id, flags, fown },
});
const descriptor = (fd: number, id: number, type = 'REG', flags = 0): object => ({
  id,
  flags,
  type,
  fd,
});

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'libcriu-streams-'));
});
afterEach(() => rm(directory, { recursive: true }));

/** Writes images of two processes, 41 and its child 42, with these files and descriptors. */
async function write(files: object[], root: object[], child: object[]): Promise<void> {
  const task = { vm_id: 1, fs_id: 1, sighand_id: 1 };
  const images: Record<string, [string, object[]]> = {
    'pstree.img': [
      'PSTREE',
      [
        { pid: 41, ppid: 0, pgid: 41, sid: 41, threads: [41] },
        { pid: 42, ppid: 41, pgid: 41, sid: 41, threads: [42] },
      ],
    ],
    'ids-41.img': ['IDS', [{ ...task, files_id: 2 }]],
    'ids-42.img': ['IDS', [{ ...task, files_id: 3 }]],
    'fdinfo-2.img': ['FDINFO', root],
    'fdinfo-3.img': ['FDINFO', child],
    'files.img': ['FILES', files],
  };
  for (const [name, [magic, entries]] of Object.entries(images)) {
    await writeFile(join(directory, name), encode({ magic, entries }));
  }
}

async function replaced(streams: number[]): Promise<{
  files: object[];
  root: object[];
  child: object[];
  waits: number[];
}> {
  const { images, nonBlocking: found } = await withStreams(directory, streams);
  const entries = (name: string): object[] =>
    images.has(name) ? [...decode(images.get(name) as Buffer).entries] : [];
  return {
    files: entries('files.img'),
    root: entries('fdinfo-2.img'),
    child: entries('fdinfo-3.img'),
    waits: [...found],
  };
}

const stream = (fd: number, id: number): object => ({
  type: 'REG',
  id,
  reg: { id, flags: 0, pos: 0, fown, name: `/libcriu-stream-${fd}` },
});

describe('withStreams', () => {
  test('parts streams that were one open file, in all processes', async () => {
    const all = [descriptor(0, 4), descriptor(1, 4), descriptor(2, 4)];
    await write([regular(4, '/out')], [...all, descriptor(9, 4)], [descriptor(1, 4, 'REG', 1)]);
    const { files, root, child, waits } = await replaced([1, 2]);
    expect(files).toEqual([regular(4, '/out'), stream(1, 5), stream(2, 6)]);
    // The others that were open there go with the first one.
    expect(root).toEqual([descriptor(0, 5), descriptor(1, 5), descriptor(2, 6), descriptor(9, 5)]);
    expect(child).toEqual([descriptor(1, 5, 'REG', 1)]);
    expect(waits).toEqual([]);
  });

  test('leaves out a pipe that nobody has any more, and no other', async () => {
    const root = [descriptor(0, 4, 'PIPE'), descriptor(1, 5, 'PIPE'), descriptor(5, 6, 'PIPE')];
    await write([pipe(4, nonBlocking), pipe(5), pipe(6)], root, []);
    const { files, root: now, waits } = await replaced([0]);
    expect(files).toEqual([pipe(5), pipe(6), stream(0, 7)]);
    expect(now).toEqual([descriptor(0, 7), descriptor(1, 5, 'PIPE'), descriptor(5, 6, 'PIPE')]);
    expect(waits).toEqual([0]);
  });

  test('opens a stream that was closed', async () => {
    await write([regular(4, '/in')], [descriptor(0, 4)], []);
    const { files, root } = await replaced([2]);
    expect(files).toEqual([regular(4, '/in'), stream(2, 5)]);
    expect(root).toEqual([descriptor(0, 4), descriptor(2, 5)]);
  });

  test('refuses images that are cut short', async () => {
    await write([regular(4, '/in')], [descriptor(0, 4)], []);
    await writeFile(join(directory, 'files.img'), Buffer.alloc(3));
    await expect(withStreams(directory, [0])).rejects.toThrow('files.img is cut short');
  });
});
