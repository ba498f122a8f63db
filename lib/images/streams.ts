import { constants } from 'node:fs';
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { errnoOf } from '../base/errors.js';
import { readFile } from '../base/files.js';
import { decodePids } from './pstree.js';
import { imageOf, messagesIn, numbersIn, recordsIn, withNumbers } from './records.js';

const filesMagic = 0x56303138;
const fdinfoMagic = 0x56213732;
const idsMagic = 0x54432030;

/** Fields of a descriptor: which file it is of, whether it is closed at exec, its type, its number. */
const idField = 1;
const flagsField = 2;
const typeField = 3;
const fdField = 4;
/** Fields of a file: its type and its number. */
const fileTypeField = 1;
const fileIdField = 2;
/** The field of a task's ids that names its table of descriptors. */
const filesField = 2;
/** CRIU's number for a regular file. */
const regular = 1;

/** The fields of a file for files of some types, and the fields with their flags. */
const flagsFields = new Map([
  [3, 2],
  [16, 5],
  [18, 3],
  [19, 3],
]);

/** Images with other standard streams. */
export interface ImagesWithStreams {
  /** The content of the images that differ, by their names. */
  images: ReadonlyMap<string, Uint8Array>;
  /** The streams that a program did not wait at, as Node.js does not: it may hang at others. */
  nonBlocking: ReadonlySet<number>;
}

/** The name of what stands in the place of a standard stream, for `inheritFd`. */
export function streamResource(fd: number): string {
  return `libcriu-stream-${fd}`;
}

/**
 * Images in which standard streams of the first process are files of {@link streamResource}, whatever
 * they were. So are all descriptors of the same open file, in other processes as well.
 *
 * @param directory - Where the images are.
 * @param streams - The numbers of the streams.
 * @throws Error for images that cannot be read.
 */
export async function withStreams(
  directory: string,
  streams: readonly number[],
): Promise<ImagesWithStreams> {
  const read = async (name: string, magic: number): Promise<Uint8Array[]> =>
    recordsIn(await readFile(`${directory}/${name}`), magic, name);
  const pids = decodePids(await readFile(`${directory}/pstree.img`));
  const names: string[] = [];
  for (const pid of pids) {
    const [ids] = await read(`ids-${pid}.img`, idsMagic).catch(noneOfZombie);
    if (ids !== undefined) names.push(`fdinfo-${numberIn(ids, filesField)}.img`);
  }
  const tables = new Map<string, Uint8Array[]>();
  for (const name of new Set(names)) tables.set(name, await read(name, fdinfoMagic));
  const files = await read('files.img', filesMagic);
  const replaced = replaceStreams(files, tables, names[0] ?? '', streams);
  const images = new Map<string, Uint8Array>();
  for (const [name, records] of replaced.tables) images.set(name, imageOf(fdinfoMagic, records));
  images.set('files.img', imageOf(filesMagic, replaced.files));
  return { images, nonBlocking: replaced.nonBlocking };
}

/** A process that has ended and is not reaped has no such image, and no descriptors. */
function noneOfZombie(error: unknown): Uint8Array[] {
  if (errnoOf(error) === 'ENOENT') return [];
  throw error;
}

type Tables = ReadonlyMap<string, readonly Uint8Array[]>;

function replaceStreams(
  files: readonly Uint8Array[],
  tables: Tables,
  root: string,
  streams: readonly number[],
): { files: Uint8Array[]; tables: Tables; nonBlocking: Set<number> } {
  const last = Math.max(0, ...files.map((file) => numberIn(file, fileIdField)));
  const fresh = new Map(streams.map((fd, index) => [fd, last + 1 + index]));
  const ofRoot = tables.get(root) ?? [];
  const open = new Map(ofRoot.map((one) => [numberIn(one, fdField), numberIn(one, idField)]));
  /** The streams that an open file was. */
  const former = new Map<number, number[]>();
  for (const fd of streams) {
    const id = open.get(fd);
    if (id !== undefined) former.set(id, [...(former.get(id) ?? []), fd]);
  }
  const change = (descriptor: Uint8Array): Uint8Array => {
    const was = former.get(numberIn(descriptor, idField));
    if (was === undefined) return descriptor;
    const fd = numberIn(descriptor, fdField);
    const id = fresh.get(was.includes(fd) ? fd : (was[0] ?? fd));
    return id === undefined ? descriptor : withNumbers(descriptor, ofFile(id));
  };
  const changed = new Map([...tables].map(([name, records]) => [name, records.map(change)]));
  const missing = streams.filter((fd) => !open.has(fd));
  changed.get(root)?.push(...missing.map((fd) => newDescriptor(fd, fresh.get(fd) ?? 0)));
  // CRIU would look for the other end of a socket that nobody has. A file may be mapped as well.
  const inUse = new Set([...changed.values()].flat().map((one) => numberIn(one, idField)));
  const isKept = (file: Uint8Array): boolean =>
    numberIn(file, fileTypeField) === regular ||
    !former.has(numberIn(file, fileIdField)) ||
    inUse.has(numberIn(file, fileIdField));
  const added = [...fresh].map(([fd, id]) => newFile(fd, id));
  const nonBlocking = files.filter(isNonBlocking).flatMap((file) => {
    return former.get(numberIn(file, fileIdField)) ?? [];
  });
  return {
    files: [...files.filter(isKept), ...added],
    tables: changed,
    nonBlocking: new Set(nonBlocking),
  };
}

function isNonBlocking(file: Uint8Array): boolean {
  return messagesIn(file, [...flagsFields.keys()]).some(([field, content]) => {
    return (numberIn(content, flagsFields.get(field) ?? 0) & constants.O_NONBLOCK) !== 0;
  });
}

function numberIn(message: Uint8Array, field: number): number {
  return numbersIn(message, [field])[0] ?? 0;
}

function ofFile(id: number): ReadonlyMap<number, number> {
  return new Map([
    [idField, id],
    [typeField, regular],
  ]);
}

function newDescriptor(fd: number, id: number): Uint8Array {
  const writer = new BinaryWriter();
  const fields = [
    [idField, id],
    [flagsField, 0],
    [typeField, regular],
    [fdField, fd],
  ] as const;
  for (const [field, number] of fields) writer.tag(field, WireType.Varint).uint32(number);
  return writer.finish();
}

/** A regular file, as `reg_file_entry` in a `file_entry`, with all fields that must be there. */
function newFile(fd: number, id: number): Uint8Array {
  const owner = new BinaryWriter();
  for (const field of [1, 2, 3, 4, 5]) owner.tag(field, WireType.Varint).uint32(0);
  const file = new BinaryWriter();
  file.tag(1, WireType.Varint).uint32(id);
  file.tag(2, WireType.Varint).uint32(0);
  file.tag(3, WireType.Varint).uint64(0);
  file.tag(5, WireType.LengthDelimited).bytes(owner.finish());
  file.tag(6, WireType.LengthDelimited).string(`/${streamResource(fd)}`);
  const entry = new BinaryWriter();
  entry.tag(fileTypeField, WireType.Varint).uint32(regular);
  entry.tag(fileIdField, WireType.Varint).uint32(id);
  entry.tag(3, WireType.LengthDelimited).bytes(file.finish());
  return entry.finish();
}
