// @ts-check
// Mounts a FUSE file system whose root directory claims to be root's, as a user can do with
// `fusermount -o allow_other`, and serves it until it is killed. argv: path, id of the user.
import { spawn } from 'node:child_process';
import { constants, openSync, read, writeSync } from 'node:fs';

const [path = '', uid = ''] = process.argv.slice(2);
const calls = { getattr: 3, statfs: 17, init: 26, interrupt: 36 };
const headerBytes = 16;
const noSuchCall = -38;
const device = openSync('/dev/fuse', constants.O_RDWR);

const options = `fd=3,rootmode=40000,user_id=${uid},group_id=0,allow_other`;
serve();
spawn('mount', ['-i', '-t', 'fuse', '-o', options, 'test', path], {
  stdio: ['ignore', 'ignore', 'inherit', device],
}).on('exit', (code) => {
  if (code !== 0) process.exit(1);
  console.log('ready');
});

function serve() {
  const request = Buffer.alloc(1 << 17);
  read(device, request, 0, request.length, null, (error) => {
    if (!error) {
      const call = request.readUInt32LE(4);
      if (call !== calls.interrupt) writeSync(device, answer(call, request.readBigUInt64LE(8)));
    } else if (error.code === 'ENODEV') process.exit(0);
    // Before the mount there is nothing to be read.
    setImmediate(serve);
  });
}

/**
 * @param {number} call
 * @param {bigint} id
 */
function answer(call, id) {
  const body = bodyOf(call);
  const header = Buffer.alloc(headerBytes);
  header.writeUInt32LE(headerBytes + (body?.length ?? 0), 0);
  header.writeInt32LE(body ? 0 : noSuchCall, 4);
  header.writeBigUInt64LE(id, 8);
  return Buffer.concat([header, ...(body ? [body] : [])]);
}

/** @param {number} call */
function bodyOf(call) {
  if (call === calls.statfs) return Buffer.alloc(80);
  if (call === calls.init) {
    const body = Buffer.alloc(64);
    // The version of the protocol is 7.31.
    body.writeUInt32LE(7, 0);
    body.writeUInt32LE(31, 4);
    body.writeUInt32LE(4096, 20);
    return body;
  }
  if (call !== calls.getattr) return undefined;
  const body = Buffer.alloc(104);
  // Inode 1 is a directory with two links, and its owner stays 0.
  body.writeBigUInt64LE(1n, 16);
  body.writeUInt32LE(0o40755, 16 + 60);
  body.writeUInt32LE(2, 16 + 64);
  return body;
}
