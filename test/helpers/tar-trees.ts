import { createHash } from 'node:crypto';
import {
  chmodSync,
  linkSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { lchown } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import type { Scope } from './scope.js';
import { runOk } from './system/exec.js';
import { noise, writeSparse } from './tar.js';

/** Everything that GNU tar keeps of a tree, by path; names as Latin-1, so that bytes survive. */
export function describeTree(top: string): Map<string, object> {
  const described = new Map<string, object>();
  const firstNames = new Map<bigint, string>();
  const visit = (path: Buffer): void => {
    const status = lstatSync(path, { bigint: true });
    if (status.isSocket()) return;
    const name = path.toString('latin1').slice(top.length);
    const first = firstNames.get(status.ino) ?? name;
    firstNames.set(status.ino, first);
    described.set(name, {
      mode: status.mode.toString(8),
      owner: `${status.uid}:${status.gid}`,
      // GNU tar's default format keeps whole seconds.
      mtime: status.mtimeNs / 1_000_000_000n - (status.mtimeNs % 1_000_000_000n < 0n ? 1n : 0n),
      device: status.rdev,
      sameAs: first,
      ...(status.isDirectory() ? {} : { links: status.nlink, size: status.size }),
      ...(status.isSymbolicLink() ? { target: readlinkSync(path, 'latin1') } : {}),
      ...(status.isFile() ? { blocks: status.blocks, hash: contentHash(path, status.size) } : {}),
    });
    if (!status.isDirectory()) return;
    for (const child of readdirSync(path, { encoding: 'buffer' })) {
      visit(Buffer.concat([path, Buffer.from('/'), child]));
    }
  };
  visit(Buffer.from(top));
  return described;
}

/** Of the first 64 MiB: the tests' larger files are holes from there on. */
function contentHash(path: Buffer, size: bigint): string {
  const hash = createHash('sha256');
  if (size <= 64n * 1024n * 1024n) hash.update(readFileSync(path));
  return hash.digest('hex');
}

/** One of every kind that a tmpfs can hold, and the limits of tar's fields. */
export async function makeEveryKind(scope: Scope, top: string): Promise<void> {
  const at = (name: string): string => join(top, name);
  writeFileSync(at('empty'), '');
  writeFileSync(at('small'), 'content\n');
  writeFileSync(at('block'), noise(512, 1));
  writeFileSync(at('setuid'), '#!/bin/sh\n');
  await lchown(at('setuid'), 3_000_000_000, 2_097_152);
  chmodSync(at('setuid'), 0o6755);
  mkdirSync(at('empty directory'));
  mkdirSync(at('sticky'));
  await lchown(at('sticky'), 65_534, 2_097_151);
  chmodSync(at('sticky'), 0o1777);
  writeFileSync(at('sticky/private'), 'x');
  chmodSync(at('sticky/private'), 0);
  mkdirSync(at(Array.from({ length: 300 }, (_, depth) => depth % 10).join('/')), {
    recursive: true,
  });
  symlinkSync('small', at('symlink'));
  symlinkSync('/nowhere/at all', at('dangling'));
  symlinkSync('t'.repeat(4000), at('long target'));
  await lchown(at('symlink'), 12, 34);
  linkSync(at('small'), at('hard link'));
  linkSync(at('symlink'), at('symlink with two names'));
  for (const length of [95, 96, 97, 98, 99, 100, 101, 102, 255]) {
    writeFileSync(at('n'.repeat(length)), `${length}`);
    mkdirSync(at('d'.repeat(length)));
    symlinkSync('l'.repeat(length), at('s'.repeat(length)));
  }
  linkSync(at('n'.repeat(255)), at('m'.repeat(255)));
  for (const name of ['\xff\xfe', '\x01\n\t\\n "\'', '-rf', '*?[a]', ' ']) {
    writeFileSync(Buffer.from(`${top}/${name}`, 'latin1'), 'odd');
  }
  await runOk('mkfifo', ['-m', '0620', at('fifo')]);
  await runOk('mknod', [at('null'), 'c', '1', '3']);
  await runOk('mknod', ['-m', '0600', at('loop'), 'b', '7', '300000']);
  const server = createServer().listen(at('socket'));
  await new Promise((listening) => server.once('listening', listening));
  scope.defer(() => new Promise((closed) => server.close(closed)));

  writeSparse(at('only a hole'), 1 << 20, {});
  writeSparse(at('ends in a hole'), 100_000, { 0: 'a' });
  writeSparse(at('begins with a hole'), 50_001, { 50000: 'z' });
  writeSparse(at('ten GiB'), 10 * 2 ** 30, { 12288: 'a'.repeat(5000), [9 * 2 ** 30]: 'z' });
  for (const extents of [3, 4, 5, 24, 25, 26, 60]) {
    const places = Array.from({ length: extents }, (_, i) => [i * 8192, 'q'] as const);
    writeSparse(at(`${extents} extents`), extents * 8192, Object.fromEntries(places));
  }
  lutimesSync(at('empty'), 0, 0);
  lutimesSync(at('block'), 1, -5.5);
  lutimesSync(at('symlink'), 1, 1_234_567_890.75);
  lutimesSync(at('sticky/private'), 1, 2 ** 34);
  lutimesSync(at('sticky'), 1, 1_000_000_000);
}

/** A tree of everything, which is the same one for the same seed. */
export async function makeRandomTree(top: string, seed: number): Promise<void> {
  let drawn = 0;
  const below = (limit: number): number =>
    Number(BigInt(`0x${noise(8, seed * 100_000 + drawn++).toString('hex')}`) % BigInt(limit));
  const oneOf = <T>(...values: T[]): T => values[below(values.length)] as T;
  const bytes = (length: number): Buffer =>
    Buffer.from(
      noise(length, seed * 100_000 + drawn++).map((byte) =>
        byte === 0 || byte === 47 ? 65 : byte,
      ),
    );
  const directories = [Buffer.from(top)];
  const links: Buffer[] = [];
  for (let i = 0; i < 60; i++) {
    const name = bytes(oneOf(4, 20, 95, 96, 97, 98, 99, 100, 101, 150, 255));
    const path = Buffer.concat([oneOf(...directories), Buffer.from('/'), name]);
    const kind = below(10);
    if (kind < 2) {
      if (path.length > 3000) continue;
      mkdirSync(path);
      directories.push(path);
    } else if (kind < 4) {
      symlinkSync(bytes(oneOf(1, 50, 99, 100, 101, 1000, 4095)), path);
    } else if (kind < 6 && links.length > 0) {
      linkSync(oneOf(...links), path);
      continue;
    } else if (kind < 8) {
      const places = Array.from({ length: below(40) }, () => [
        below(500_000),
        'd'.repeat(below(9000)),
      ]);
      writeSparse(path, oneOf(0, 1, 4096, 600_000, 2 ** 33, 2 ** 35), Object.fromEntries(places));
    } else {
      writeFileSync(path, noise(oneOf(0, 1, 511, 512, 513, 4096, 10_240, 70_000), i));
    }
    if (kind >= 2) links.push(path);
    await lchown(path, below(2 ** 32 - 1), oneOf(0, 2_097_151, 2_097_152));
    if (!lstatSync(path).isSymbolicLink()) chmodSync(path, below(0o10000));
    lutimesSync(path, 0, oneOf(-1.5, 0, 1_700_000_000.123, 2 ** 33 - 1, 2 ** 33));
  }
}
