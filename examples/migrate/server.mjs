// @ts-check
// What is migrated: a server with state. argv: port, MiB of state, a file to make when it is ready.
// It answers each datagram with the number of those it has answered, after a look at one place of
// its state and a change of another.
import { Buffer } from 'node:buffer';
import { createSocket } from 'node:dgram';
import { writeFileSync } from 'node:fs';

const [port = '0', mebibytes = '0', ready = ''] = process.argv.slice(2);
const blockSize = 64 * 1024;
/** The content of a block is its number, and in its first bytes how often it was changed. */
const blocks = Array.from({ length: (Number(mebibytes) * 1024 * 1024) / blockSize }, (_, index) =>
  Buffer.alloc(blockSize, (index % 255) + 1).fill(0, 0, 4),
);
let answers = 0;

const socket = createSocket('udp4');
socket.on('message', (message, { address, port: from }) => {
  const looked = Math.floor(Math.random() * blocks.length);
  const at = 4 + Math.floor(Math.random() * (blockSize - 4));
  if (blocks[looked]?.[at] !== (looked % 255) + 1) process.exit(1);
  const changed = blocks[answers % Math.ceil(blocks.length / 10)];
  changed?.writeUInt32LE(changed.readUInt32LE() + 1);
  answers += 1;
  const answer = Buffer.alloc(8);
  message.copy(answer, 0, 0, 4);
  answer.writeUInt32LE(answers, 4);
  socket.send(answer, from, address);
});
socket.bind(Number(port), () => writeFileSync(ready, ''));
