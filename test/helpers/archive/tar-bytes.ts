const blockSize = 512;

/** What a header says. What is not given is as a usual file has it. */
export interface TarEntry {
  /** Its bytes, where it is no text. */
  name?: Buffer | string;
  type?: string;
  content?: Buffer | string;
  link?: string;
  mode?: number;
  uid?: number;
  gid?: number;
  mtime?: number;
  /** What the header says in place of the content's length. */
  size?: number;
  /** Fields as they are to stand there: their place and their bytes. */
  raw?: readonly (readonly [at: number, bytes: Buffer | string])[];
  /** A sum that is wrong. */
  checksum?: number;
  magic?: string;
}

const octal = (value: number, length: number): string =>
  `${value.toString(8).padStart(length - 1, '0')}\0`;

/** A header block. */
export function header(entry: TarEntry): Buffer {
  const block = Buffer.alloc(blockSize);
  const {
    name = 'file',
    type = '0',
    content = '',
    link = '',
    mode = 0o644,
    mtime = 1_700_000_000,
  } = entry;
  const { uid = process.geteuid?.() ?? 0, gid = process.getegid?.() ?? 0 } = entry;
  Buffer.from(name).copy(block, 0, 0, 100);
  block.write(octal(mode, 8), 100, 'latin1');
  block.write(octal(uid, 8), 108, 'latin1');
  block.write(octal(gid, 8), 116, 'latin1');
  block.write(octal(entry.size ?? Buffer.from(content).length, 12), 124, 'latin1');
  block.write(octal(mtime, 12), 136, 'latin1');
  block.write(type, 156, 'latin1');
  block.write(link, 157, 'latin1');
  block.write(entry.magic ?? 'ustar\x0000', 257, 'latin1');
  for (const [at, bytes] of entry.raw ?? []) Buffer.from(bytes).copy(block, at);
  block.fill(' ', 148, 156);
  const sum = entry.checksum ?? block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return block;
}

/** A header block and the content behind it, filled up to whole blocks. */
export function entry(one: TarEntry): Buffer {
  const content = Buffer.from(one.content ?? '');
  const padding = (blockSize - (content.length % blockSize)) % blockSize;
  return Buffer.concat([header(one), content, Buffer.alloc(padding)]);
}

/** An extended header of POSIX. */
export function pax(records: Readonly<Record<string, Buffer | string>>, type = 'x'): Buffer {
  const lines = Object.entries(records).map(([key, value]) => record(key, Buffer.from(value)));
  return entry({ name: 'PaxHeaders/file', type, content: Buffer.concat(lines) });
}

/** A line of one. */
export function record(key: string, value: Buffer): Buffer {
  const rest = Buffer.concat([Buffer.from(` ${key}=`), value, Buffer.from('\n')]);
  let length = rest.length + 1;
  while (`${length}`.length + rest.length !== length) length = `${length}`.length + rest.length;
  return Buffer.concat([Buffer.from(`${length}`), rest]);
}

/** The two blocks of zeros at the end. */
export const end: Buffer = Buffer.alloc(2 * blockSize);

/** A whole archive. */
export function tar(...parts: readonly (Buffer | TarEntry)[]): Buffer {
  return Buffer.concat([...parts.map((part) => (Buffer.isBuffer(part) ? part : entry(part))), end]);
}
