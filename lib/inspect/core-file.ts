import type { Writable } from 'node:stream';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Placed, ProcessMemory } from './memory.js';

/** A part of a mapping that is written, or left out, as a whole. */
interface LoadSegment {
  readonly start: number;
  end: number;
  /** What is written of it; nothing for memory that is in no image. */
  readonly parts: Placed[];
  readonly protection: number;
}

/** What was written. */
export interface CoreFile {
  /** How many parts of memory the file has. */
  readonly segments: number;
  /** Bytes of memory in the file. */
  readonly bytes: number;
}

const headerSize = 64;
const programHeaderSize = 56;
const sectionHeaderSize = 64;
const alignment = 4096;
/** More program headers than fit in the header's field are counted in a section header. */
const maxProgramHeaders = 0xffff;

/** Numbers of machines in ELF, by CRIU's names. */
const machines: Readonly<Record<string, number>> = {
  X86_64: 62,
  ARM: 40,
  AARCH64: 183,
  PPC64: 21,
  S390: 22,
  MIPS: 8,
  LOONGARCH64: 258,
  RISCV64: 243,
};

/**
 * Writes memory as a core file: an ELF file in which each part of the memory is a segment with its address.
 * It has no registers. As in the kernel's own core files, a part of which nothing is saved is a segment
 * without content.
 */
export async function writeCore(memory: ProcessMemory, to: Writable): Promise<CoreFile> {
  const segments = await segmentsOf(memory);
  const isCountedElsewhere = segments.length >= maxProgramHeaders;
  const headers = headerSize + segments.length * programHeaderSize;
  const start = aligned(headers + (isCountedElsewhere ? sectionHeaderSize : 0));
  let bytes = 0;
  async function* content(): AsyncGenerator<Buffer> {
    yield elfHeader(memory.machine, segments.length, isCountedElsewhere, headers);
    let offset = start;
    for (const segment of segments) {
      yield programHeader(segment, offset);
      offset += sizeOf(segment);
    }
    if (isCountedElsewhere) yield sectionHeader(segments.length);
    yield Buffer.alloc(start - headers - (isCountedElsewhere ? sectionHeaderSize : 0));
    for (const part of segments.flatMap(({ parts }) => parts)) {
      let left = part.end - part.start;
      for await (const piece of memory.read(part)) {
        left -= piece.length;
        bytes += piece.length;
        yield piece;
      }
      if (left > 0) throw new Error('A file with pages has become shorter');
    }
  }
  await pipeline(Readable.from(content(), { objectMode: false }), to);
  return { segments: segments.length, bytes };
}

async function segmentsOf(memory: ProcessMemory): Promise<LoadSegment[]> {
  const segments: LoadSegment[] = [];
  for await (const placed of memory.placed()) {
    const { start, end, content, mapping } = placed;
    const last = segments.at(-1);
    const isSaved = content !== undefined;
    const goesOn =
      last?.end === start && start !== mapping.start && isSaved === last.parts.length > 0;
    if (last !== undefined && goesOn) {
      last.end = end;
      if (isSaved) last.parts.push(placed);
    } else {
      const parts = isSaved ? [placed] : [];
      segments.push({ start, end, parts, protection: mapping.protection });
    }
  }
  return segments;
}

function sizeOf({ start, end, parts }: LoadSegment): number {
  return parts.length === 0 ? 0 : end - start;
}

function elfHeader(
  machine: string,
  count: number,
  isCountedElsewhere: boolean,
  sectionsAt: number,
): Buffer {
  const header = Buffer.alloc(headerSize);
  // 64 bits, the lowest byte first, version 1.
  header.write('\x7fELF\x02\x01\x01', 'latin1');
  header.writeUInt16LE(4, 16); // ET_CORE
  header.writeUInt16LE(machines[machine] ?? 0, 18);
  header.writeUInt32LE(1, 20);
  header.writeBigUInt64LE(BigInt(headerSize), 32);
  header.writeBigUInt64LE(BigInt(isCountedElsewhere ? sectionsAt : 0), 40);
  header.writeUInt16LE(headerSize, 52);
  header.writeUInt16LE(programHeaderSize, 54);
  header.writeUInt16LE(isCountedElsewhere ? maxProgramHeaders : count, 56);
  header.writeUInt16LE(sectionHeaderSize, 58);
  header.writeUInt16LE(isCountedElsewhere ? 1 : 0, 60);
  return header;
}

function programHeader(segment: LoadSegment, offset: number): Buffer {
  const { start, end, protection } = segment;
  const header = Buffer.alloc(programHeaderSize);
  header.writeUInt32LE(1, 0); // PT_LOAD
  // mmap(2) and ELF have the bits for reading and executing in each other's place.
  const flags = (protection & 2) | ((protection & 1) << 2) | ((protection & 4) >> 2);
  header.writeUInt32LE(flags, 4);
  header.writeBigUInt64LE(BigInt(offset), 8);
  header.writeBigUInt64LE(BigInt(start), 16);
  header.writeBigUInt64LE(BigInt(sizeOf(segment)), 32);
  header.writeBigUInt64LE(BigInt(end - start), 40);
  header.writeBigUInt64LE(BigInt(alignment), 48);
  return header;
}

function sectionHeader(count: number): Buffer {
  const header = Buffer.alloc(sectionHeaderSize);
  header.writeUInt32LE(count, 44);
  return header;
}

function aligned(size: number): number {
  return Math.ceil(size / alignment) * alignment;
}
