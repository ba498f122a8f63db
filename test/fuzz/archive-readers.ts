import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { planMounts } from '../../lib/archive/bundle/mounts.js';
import { importedSpec, parseSpec } from '../../lib/archive/bundle/spec.js';
import { bytesOf } from '../../lib/archive/bytes.js';
import { readingArchive } from '../../lib/archive/fault.js';
import { Count } from '../../lib/archive/limits.js';
import { openCheckpoint } from '../../lib/archive/open.js';
import { unpackRoot } from '../../lib/archive/unpack-root.js';
import { ZstdFrames } from '../../lib/archive/zstd-frames.js';
import { withScope } from '../../lib/base/scope.js';
import { asTables } from '../../lib/inspect/as-table.js';
import { asTree } from '../../lib/inspect/as-tree.js';
import { openChain } from '../../lib/inspect/chain.js';
import { diffOf } from '../../lib/inspect/diff-of.js';
import { asPage } from '../../lib/inspect/html/page.js';
import { ProcessMemory } from '../../lib/inspect/memory.js';
import { reportOf } from '../../lib/inspect/report-of.js';
import { search } from '../../lib/inspect/search.js';
import { type Reader, Wrong } from './reader.js';

/** What is outside of the directory that an archive is unpacked to, and inside of this one. */
const outside = mkdtempSync(join(tmpdir(), 'libcriu-fuzz-'));
process.on('exit', () => rmSync(outside, { recursive: true, force: true }));
writeFileSync(join(outside, 'secret'), 'secret');
const target = join(outside, 'target');
const file = join(outside, 'archive');

const limits = { maxEntries: 1000, maxBytes: 2 ** 22, maxRatio: 100 };

/** A checkpoint with something of most kinds, of which one image at a time is changed. */
const imagesDirectory = mkdtempSync(join(tmpdir(), 'libcriu-fuzz-'));
process.on('exit', () => rmSync(imagesDirectory, { recursive: true, force: true }));
const madeCheckpoint = resolve(import.meta.dirname, '../fixtures/images/checkpoint.tar');
execFileSync('tar', ['-C', imagesDirectory, '--no-same-owner', '-xf', madeCheckpoint]);
chmodSync(imagesDirectory, 0o700);
const imageNames = readdirSync(imagesDirectory).sort();

/** Reads them once, and does all that there is to do with what was read. */
async function reportOnImages(): Promise<void> {
  await withScope(async (scope) => {
    const opened = await readingArchive(imagesDirectory, () =>
      openChain(imagesDirectory, limits, () => {}, scope),
    );
    const report = await reportOf(opened);
    const page = asPage(report);
    if (!page.endsWith('</html>\n') || page.includes('<script')) throw new Wrong('expected a page');
    for (const text of [asTree(report, { hasFiles: true }), asTables(report)]) {
      if (text.includes('\u001b')) throw new Wrong('expected that a terminal is told nothing');
    }
    const [root] = report.processes;
    if (root !== undefined) {
      const memory = scope.use(await ProcessMemory.open(opened.chain, root.pid));
      await search(memory, Buffer.from('arg'), 10);
    }
    const { memory, processes } = await diffOf(opened, opened);
    const { changed, came, went } = memory.pages;
    const isSame = changed + came + went + processes.came.length + processes.went.length === 0;
    if (!isSame) throw new Wrong('expected that it does not differ from itself');
  });
}

function expectUntouched(...allowed: readonly string[]): void {
  const names = readdirSync(outside).filter((name) => !allowed.includes(name));
  const { nlink } = statSync(join(outside, 'secret'));
  const isSame = readFileSync(join(outside, 'secret'), 'utf8') === 'secret' && nlink === 1;
  if (names.join() === 'secret' && isSame) return;
  throw new Wrong(`expected that nothing outside is touched, and there is ${names.join()}`);
}

/** Gives headers that have been edited the sum that they need, or no edit would come any further. */
function withSums(input: Buffer): Buffer {
  const archive = Buffer.from(input);
  for (let at = 0; at + 512 <= archive.length; at += 512) {
    const block = archive.subarray(at, at + 512);
    if (block.toString('latin1', 257, 262) !== 'ustar') continue;
    block.fill(' ', 148, 156);
    const sum = block.reduce((total, byte) => total + byte, 0);
    block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  }
  return archive;
}

export const archiveReaders: readonly Reader[] = [
  {
    name: 'checkpoint-archive',
    throws: ['ERR_CHECKPOINT_ARCHIVE'],
    async read(input) {
      writeFileSync(file, withSums(input), { mode: 0o600 });
      rmSync(target, { recursive: true, force: true });
      try {
        const checkpoint = await openCheckpoint(file, limits);
        try {
          await checkpoint.extract(target);
          if (!existsSync(join(target, 'checkpoint/inventory.img'))) {
            throw new Wrong('expected that there are images');
          }
        } finally {
          await checkpoint.close();
        }
      } finally {
        expectUntouched('target', 'archive');
      }
    },
  },
  {
    // The first byte tells which image of a checkpoint the others are.
    name: 'checkpoint-report',
    throws: ['ERR_CHECKPOINT_ARCHIVE', 'ERR_CRIU_IMAGE'],
    async read(input) {
      const name = imageNames[(input[0] ?? 0) % imageNames.length] ?? '';
      const image = join(imagesDirectory, name);
      const whole = readFileSync(image);
      try {
        writeFileSync(image, input.subarray(1));
        await reportOnImages();
      } finally {
        writeFileSync(image, whole);
      }
    },
  },
  {
    name: 'rootfs-changes',
    throws: ['ERR_CHECKPOINT_ARCHIVE'],
    async read(input) {
      rmSync(target, { recursive: true, force: true });
      mkdirSync(target);
      const fd = openSync(target, 'r');
      try {
        await readingArchive('changes', () =>
          unpackRoot(fd, { bytes: bytesOf(withSums(input)), count: new Count(limits) }),
        );
      } finally {
        closeSync(fd);
        expectUntouched('target', 'archive');
      }
    },
  },
  {
    name: 'container-spec',
    throws: ['ERR_CHECKPOINT_ARCHIVE', 'ERR_INVALID_ARG_VALUE'],
    async read(input) {
      const spec = parseSpec(input.toString());
      const exists = async (): Promise<boolean> => true;
      const facts = { volumes: new Map<string, string>(), archived: new Map(), exists };
      const planned = await planMounts(spec.mounts ?? [], facts);
      const changes = { id: 'web', poststop: [], joinNs: [], hasSystemd: true, exists };
      const mounts = planned.map(({ mount }) => mount);
      const imported = await importedSpec(spec, { ...changes, mounts });
      const { root, linux, annotations = {} } = imported.spec;
      const isOurs = root?.['path'] === 'rootfs' && /(?:^|[/:])web$/.test(`${linux?.cgroupsPath}`);
      const isEngines = Object.keys(annotations).some((key) => key.startsWith('io.podman.'));
      if (!isOurs || isEngines) throw new Wrong('expected that the container has no engine');
    },
  },
  {
    name: 'zstd-frames',
    throws: ['ERR_CHECKPOINT_ARCHIVE'],
    async read(input) {
      const follow = (step: number): Promise<string> =>
        readingArchive('data', async () => {
          const frames = new ZstdFrames();
          for (let at = 0; at < input.length; at += step)
            frames.push(input.subarray(at, at + step));
          frames.end();
          return 'whole';
        }).catch((error: Error) => error.message);
      const [whole, bytewise] = await Promise.all([follow(input.length || 1), follow(1)]);
      if (whole !== bytewise)
        throw new Wrong(`expected "${whole}" of single bytes, not "${bytewise}"`);
    },
  },
];
