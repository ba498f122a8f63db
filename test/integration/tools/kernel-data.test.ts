// CRIU's cache of what it found out about the kernel, with more than one CRIU on the machine.
import { existsSync, readFileSync, statSync } from 'node:fs';
import { chmod, mkdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { kernelDataDirectory } from '../../../tools/criu.mjs';
import { Criu } from '../../helpers/api.js';
import { dumpOk } from '../../helpers/criu/attempt.js';
import { requireNeeds } from '../../helpers/needs.js';
import { criuBinary } from '../../helpers/paths.js';
import { type Scope, useScope } from '../../helpers/scope.js';
import { startWorkload } from '../../helpers/system/process.js';

const scope = useScope();
beforeAll(() => requireNeeds('root', 'criu', 'libcriu', 'gcc'));

/** The directory that is compiled into the criu of this installation. */
function ownDirectory(): string {
  const directory = kernelDataDirectory(criuBinary);
  if (directory === undefined) throw new Error(`${criuBinary} names no file criu.kdat`);
  return directory;
}

/** A criu of another installation, which differs from ours in its directory alone. */
async function installation(scope: Scope, name: string): Promise<{ criu: Criu; cache: string }> {
  const own = ownDirectory();
  const directory = own.slice(0, -name.length) + name;
  const program = readFileSync(criuBinary);
  program.write(directory, program.indexOf(`${own}/criu.kdat\0`));
  const binary = join(await scope.directory(), 'sbin/criu');
  await mkdir(dirname(binary));
  await writeFile(binary, program);
  await chmod(binary, 0o755);
  await mkdir(directory, { recursive: true });
  scope.defer(() => rm(directory, { recursive: true }));
  const criu = new Criu({ binary });
  scope.defer(() => criu.close());
  return { criu, cache: join(directory, 'criu.kdat') };
}

test('the directory names version and build, beside that of other builds', () => {
  expect(ownDirectory()).toMatch(/^\/run\/criu\/\d+(\.\d+)+-[0-9a-f]{12}$/);
});

test('two installations and a third CRIU do not touch the cache of each other', async () => {
  const { pid } = await startWorkload(scope, ['idle']);
  const [one, other] = [
    await installation(scope, '1'.repeat(12)),
    await installation(scope, '2'.repeat(12)),
  ];
  // Those of distributions have their cache here, or in /run itself.
  const foreign = '/run/criu/criu.kdat';
  await writeFile(foreign, 'of another build');
  const first = await dumpOk(scope, pid, { criu: one.criu });
  expect(first.log.has(/Loaded kdat cache/)).toBe(false);
  expect(existsSync(one.cache)).toBe(true);
  expect(existsSync(other.cache)).toBe(false);
  const made = statSync(one.cache);
  const second = await dumpOk(scope, pid, { criu: other.criu });
  expect(second.log.has(/Loaded kdat cache/)).toBe(false);
  for (const { criu, cache } of [one, other, one, other]) {
    const { log } = await dumpOk(scope, pid, { criu });
    expect(log.lines(/kdat/)).toEqual([expect.stringContaining(`Loaded kdat cache from ${cache}`)]);
  }
  const { ino, mtimeMs } = statSync(one.cache);
  expect({ ino, mtimeMs }).toEqual({ ino: made.ino, mtimeMs: made.mtimeMs });
  expect(readFileSync(foreign, 'utf8')).toBe('of another build');
});

// What makes the test above necessary.
test('a CRIU replaces the cache of another build where both have one directory', async () => {
  const { pid } = await startWorkload(scope, ['idle']);
  const { criu, cache } = await installation(scope, '3'.repeat(12));
  await dumpOk(scope, pid, { criu });
  // The second word is the moment of the build.
  const data = readFileSync(cache);
  const builtAt = data.readUInt32LE(4);
  data.writeUInt32LE(builtAt + 1, 4);
  await writeFile(cache, data);
  const { log } = await dumpOk(scope, pid, { criu });
  expect(log.has(/Stale .*criu\.kdat/)).toBe(true);
  expect(readFileSync(cache).readUInt32LE(4)).toBe(builtAt);
});
