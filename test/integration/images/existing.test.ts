import { once } from 'node:events';
import { existsSync, lstatSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { mkdir, readlink, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { beforeAll, describe, expect, test } from 'vitest';
import { dumpTo, images, startBoth } from '../../helpers/criu/images.js';
import { requireNeeds } from '../../helpers/needs.js';
import { failureOf } from '../../helpers/rejection.js';
import { useScope } from '../../helpers/scope.js';
import { mountTmpfs } from '../../helpers/system/mounts.js';
import { isAlive, startWorkload } from '../../helpers/system/process.js';
import { snapshotDirectory } from '../../helpers/system/snapshot.js';

const scope = useScope();
beforeAll(() => requireNeeds('root', 'criu', 'libcriu', 'build', 'runc', 'busybox', 'gcc'));

describe("existing: 'replace'", () => {
  test('puts the new images in the place of all that was there', async () => {
    const { good, directory } = await startBoth(scope);
    const { pid: other } = await startWorkload(scope, ['threads', 2]);
    const imagePath = join(directory, 'images');
    await dumpTo(good, imagePath);
    await writeFile(join(imagePath, 'mine'), 'mine');
    const result = await dumpTo(other, imagePath, { existing: 'replace' });
    expect(result.imagePath).toBe(imagePath);
    expect(result.logFile).toBe(join(imagePath, 'dump.log'));
    expect(existsSync(result.logFile)).toBe(true);
    expect(images(imagePath)).toContain(`core-${other}.img`);
    expect(images(imagePath)).not.toContain(`core-${good}.img`);
    expect(existsSync(join(imagePath, 'mine'))).toBe(false);
    expect(readdirSync(directory)).toEqual(['images']);
    expect(statSync(imagePath).mode & 0o777).toBe(0o700);
  });

  test('makes the directory when there is none', async () => {
    const { good, directory } = await startBoth(scope);
    await dumpTo(good, join(directory, 'images'), { existing: 'replace' });
    await mkdir(join(directory, 'empty'));
    await dumpTo(good, join(directory, 'empty'), { existing: 'replace' });
    expect(readdirSync(directory).sort()).toEqual(['empty', 'images']);
    expect(images(join(directory, 'empty'))).toContain('inventory.img');
  });

  test('never shows a reader a moment without images', async () => {
    const { good, directory } = await startBoth(scope);
    const imagePath = join(directory, 'images');
    await dumpTo(good, imagePath);
    const reader = new Worker(
      `const { statSync } = require('node:fs');
       const { parentPort, workerData } = require('node:worker_threads');
       let stop = false;
       parentPort.once('message', () => { stop = true; });
       const seen = new Set();
       let missing = 0;
       const look = () => {
         for (let i = 0; i < 200; i++) {
           const stat = statSync(workerData, { throwIfNoEntry: false });
           if (stat === undefined) missing += 1; else seen.add(\`\${stat.ino} \${stat.mtimeMs}\`);
         }
         if (stop) parentPort.postMessage({ missing, seen: seen.size });
         else setImmediate(look);
       };
       look();`,
      { eval: true, workerData: join(imagePath, 'inventory.img') },
    );
    const told = new Promise((resolve, reject) => {
      reader.once('message', resolve);
      reader.once('error', reject);
    });
    await once(reader, 'online');
    for (let round = 0; round < 20; round++) await dumpTo(good, imagePath, { existing: 'replace' });
    reader.postMessage('stop');
    const { missing, seen } = (await told) as { missing: number; seen: number };
    await reader.terminate();
    expect(missing).toBe(0);
    // It did look meanwhile.
    expect(seen).toBeGreaterThan(3);
    expect(readdirSync(directory)).toEqual(['images']);
  });

  test('of a dump that fails leaves the old images as they were, and nothing beside them', async () => {
    const { good, bad, directory } = await startBoth(scope);
    const imagePath = join(directory, 'images');
    await dumpTo(good, imagePath);
    const before = snapshotDirectory(directory);
    const error = await failureOf(dumpTo(bad, imagePath, { existing: 'replace' }));
    expect(error.code).toBe('ERR_CRIU_FAILED');
    expect(error.log.join('\n')).toMatch(/--file-locks/);
    expect(snapshotDirectory(directory)).toEqual(before);
    // The log that is named, if one is, is of this dump and not of the one before.
    if (error.logFile !== undefined) {
      expect(readFileSync(error.logFile, 'utf8')).toMatch(/--file-locks/);
    }

    const abort = new AbortController();
    await expect(
      dumpTo(good, imagePath, {
        existing: 'replace',
        signal: abort.signal,
        hooks: { postDump: () => abort.abort() },
      }),
    ).rejects.toMatchObject({ name: 'AbortError' });
    expect(snapshotDirectory(directory)).toEqual(before);
  });

  test('through a symbolic link replaces what it leads to and keeps the link', async () => {
    const { good, directory } = await startBoth(scope);
    const target = join(directory, 'target');
    const link = join(directory, 'link');
    await dumpTo(good, target);
    await symlink('target', link);
    const { pid: other } = await startWorkload(scope, ['idle']);
    await dumpTo(other, link, { existing: 'replace' });
    expect(await readlink(link)).toBe('target');
    expect(lstatSync(target).isDirectory()).toBe(true);
    expect(images(target)).toContain(`core-${other}.img`);
    expect(images(target)).not.toContain(`core-${good}.img`);
    expect(readdirSync(directory).sort()).toEqual(['link', 'target']);
  });

  test('of a mount point loses neither the images nor the process', async () => {
    const { pid } = await startWorkload(scope, ['idle']);
    const imagePath = await mountTmpfs(scope, 'size=32m');
    await writeFile(join(imagePath, 'old'), 'old');
    // Without leaveRunning the images are all that is left of the process.
    const outcome = await dumpTo(pid, imagePath, { leaveRunning: false, existing: 'replace' }).then(
      () => 'success',
      () => 'failure',
    );
    if (outcome === 'success') expect(images(imagePath)).toContain(`core-${pid}.img`);
    else expect(isAlive(pid)).toBe(true);
  });
});

test("existing: 'reuse' keeps what is not written anew", async () => {
  const { good, bad, directory } = await startBoth(scope);
  const imagePath = join(directory, 'images');
  await mkdir(imagePath);
  await writeFile(join(imagePath, 'mine'), 'mine');
  await dumpTo(good, imagePath, { existing: 'reuse' });
  expect(images(imagePath)).toContain('inventory.img');
  await dumpTo(good, imagePath, { existing: 'reuse' });
  await failureOf(dumpTo(bad, imagePath, { existing: 'reuse' }));
  expect(readFileSync(join(imagePath, 'mine'), 'utf8')).toBe('mine');
  expect(images(imagePath)).not.toContain(`core-${bad}.img`);
  await dumpTo(good, imagePath, { existing: 'reuse' });
  expect(images(imagePath)).toContain('inventory.img');
});
