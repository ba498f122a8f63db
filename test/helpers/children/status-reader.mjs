// @ts-check
// Reads a status pipe to its end. argv: its path, the port that is to be listened on then.
// Prints one line of JSON: the bytes that came, and whether the port was listened on at the first.
import { closeSync, openSync, readFileSync, readSync } from 'node:fs';

const [path = '', port = ''] = process.argv.slice(2);
const hex = Number(port).toString(16).toUpperCase().padStart(4, '0');
const fd = openSync(path, 'r');
const buffer = Buffer.alloc(16);
/** @type {number[]} */
const bytes = [];
let listens;
for (;;) {
  const length = readSync(fd, buffer);
  listens ??= new RegExp(`:${hex} \\S+ 0A `).test(readFileSync('/proc/net/tcp', 'utf8'));
  if (length === 0) break;
  bytes.push(...buffer.subarray(0, length));
}
closeSync(fd);
process.stdout.write(`${JSON.stringify({ bytes, listens })}\n`);
