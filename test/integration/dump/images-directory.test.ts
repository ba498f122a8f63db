import { once } from 'node:events';
import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { chmod, lchown, mkdir, readlink, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { beforeAll, describe, expect, test } from 'vitest';
import {
  Criu,
  CriuError,
  checkpoint,
  type DumpOptions,
  type DumpResult,
  dump,
} from '../../helpers/api.js';
import { requireNeeds } from '../../helpers/needs.js';
import { distCli } from '../../helpers/paths.js';
import { useScope } from '../../helpers/scope.js';
import { run, runOk, until } from '../../helpers/system/exec.js';
import { isAlive, startWorkload } from '../../helpers/system/process.js';
import { snapshotDirectory } from '../../helpers/system/snapshot.js';
import { startContainer } from '../../helpers/workloads/container.js';

const scope = useScope();
beforeAll(() => requireNeeds('root', 'criu', 'libcriu', 'build', 'runc', 'busybox', 'gcc'));

const criu = new Criu();
const images = (directory: string): string[] =>
  readdirSync(directory).filter((name) => name.endsWith('.img'));

const dumpTo = (pid: number, imagePath: string, options: DumpOptions = {}): Promise<DumpResult> =>
  dump(pid, { criu, leaveRunning: true, imagePath, ...options });

async function failureOf(operation: Promise<unknown>): Promise<CriuError> {
  const error = await operation.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (error instanceof CriuError) return error;
  throw new Error(`it was to fail with a CriuError and did not: ${String(error)}`);
}

/** A process that CRIU can dump, and one that it cannot without `fileLocks`. */
async function startBoth(): Promise<{ good: number; bad: number; directory: string }> {
  const directory = await scope.directory();
  const { pid: good } = await startWorkload(scope, ['idle']);
  const lock = join(await scope.directory(), 'lock');
  const { pid: bad } = await startWorkload(scope, ['lock', lock]);
  return { good, bad, directory };
}

/** A file system of its own, of this size. */
async function mountTmpfs(options: string): Promise<string> {
  const path = await scope.directory();
  await runOk('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', path]);
  scope.defer(() => runOk('umount', ['-l', path]));
  return path;
}

/** The criu that is just ending may have its log open for another moment. */
async function remountReadOnly(place: string, options = 'remount,ro'): Promise<void> {
  await until(
    'the file system can be made read-only',
    async () => (await run('mount', ['-o', options, place])).code === 0,
  );
}

describe('a fresh directory', () => {
  test('is made with its parents, for root only, and again for the next images', async () => {
    const { good, directory } = await startBoth();
    const imagePath = join(directory, 'a/b/images');
    await dumpTo(good, imagePath);
    for (const path of [imagePath, dirname(imagePath), join(directory, 'a')]) {
      expect(statSync(path).mode & 0o777).toBe(0o700);
    }
    await dumpTo(good, join(directory, 'a/b/more'));
    expect(readdirSync(join(directory, 'a/b')).sort()).toEqual(['images', 'more']);
  });

  test('may be there already, empty, and keeps its mode', async () => {
    const { good, directory } = await startBoth();
    const imagePath = join(directory, 'images');
    await mkdir(imagePath);
    await chmod(imagePath, 0o750);
    await dumpTo(good, imagePath);
    expect(statSync(imagePath).mode & 0o777).toBe(0o750);
    expect(images(imagePath)).toContain('inventory.img');
  });

  test('that holds something is refused, and nothing changes', async () => {
    const { good, directory } = await startBoth();
    const imagePath = join(directory, 'images');
    await dumpTo(good, imagePath);
    await mkdir(join(directory, 'mine'));
    await writeFile(join(directory, 'mine/.hidden'), 'mine');
    for (const path of [imagePath, join(directory, 'mine')]) {
      const before = snapshotDirectory(directory);
      const error = await failureOf(dumpTo(good, path));
      expect(error.code).toBe('ERR_CRIU_IMAGES_DIR');
      expect(error.message).toContain(path);
      expect(error.message).toMatch(/not empty/);
      expect(error.message).toContain("existing: 'replace'");
      expect(error.message).not.toMatch(/\n/);
      const explicit = await failureOf(dumpTo(good, path, { existing: 'refuse' }));
      expect(explicit.code).toBe('ERR_CRIU_IMAGES_DIR');
      expect(snapshotDirectory(directory)).toEqual(before);
    }
    expect(isAlive(good)).toBe(true);
  });

  test('of a container that holds something is refused before the container is frozen', async () => {
    const container = await startContainer(scope);
    const imagePath = container.path('images');
    await mkdir(imagePath);
    await writeFile(join(imagePath, 'inventory.img'), 'of another');
    const error = await failureOf(
      checkpoint(container.id, { stateRoot: container.stateRoot, imagePath }),
    );
    expect(error.code).toBe('ERR_CRIU_IMAGES_DIR');
    expect(readFileSync(join(imagePath, 'inventory.img'), 'utf8')).toBe('of another');
    expect(container.isRunning).toBe(true);
  });

  test('may hold only the log of a try that failed', async () => {
    const { good, bad, directory } = await startBoth();
    const imagePath = join(directory, 'images');
    const error = await failureOf(dumpTo(bad, imagePath));
    expect(error).toMatchObject({ code: 'ERR_CRIU_FAILED', logFile: join(imagePath, 'dump.log') });
    expect(readdirSync(imagePath)).toEqual(['dump.log']);
    expect(readFileSync(join(imagePath, 'dump.log'), 'utf8')).toMatch(/--file-locks/);
    // A retry that fails too, and one that succeeds.
    await failureOf(dumpTo(bad, imagePath));
    await dumpTo(good, imagePath);
    expect(images(imagePath)).toContain(`core-${good}.img`);
    expect(readFileSync(join(imagePath, 'dump.log'), 'utf8')).not.toMatch(/--file-locks/);
  });

  test('of a dump that was aborted holds no images', async () => {
    const { pid } = await startWorkload(scope, ['memory', 64]);
    const imagePath = join(await scope.directory(), 'images');
    const abort = new AbortController();
    const hooks = { postDump: () => abort.abort() };
    await expect(dumpTo(pid, imagePath, { hooks, signal: abort.signal })).rejects.toMatchObject({
      name: 'AbortError',
    });
    expect(existsSync(imagePath) ? readdirSync(imagePath) : []).toEqual(['dump.log']);
    await dumpTo(pid, imagePath);
    expect(images(imagePath)).toContain('inventory.img');
  });

  test('made for a dump that never came to CRIU is gone again', async () => {
    const { good, directory } = await startBoth();
    const imagePath = join(directory, 'a/images');
    const error = await failureOf(
      dumpTo(good, imagePath, { freezeCgroup: join(directory, 'nowhere') }),
    );
    expect(error.stage).toBe('freeze');
    expect(existsSync(join(directory, 'a'))).toBe(false);
  });
});

describe("existing: 'replace'", () => {
  test('puts the new images in the place of all that was there', async () => {
    const { good, directory } = await startBoth();
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

  test('is as without when there is nothing', async () => {
    const { good, directory } = await startBoth();
    await dumpTo(good, join(directory, 'images'), { existing: 'replace' });
    await mkdir(join(directory, 'empty'));
    await dumpTo(good, join(directory, 'empty'), { existing: 'replace' });
    expect(readdirSync(directory).sort()).toEqual(['empty', 'images']);
    expect(images(join(directory, 'empty'))).toContain('inventory.img');
  });

  test('never shows a reader a moment without images', async () => {
    const { good, directory } = await startBoth();
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
    const { good, bad, directory } = await startBoth();
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
    const { good, directory } = await startBoth();
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
    const imagePath = await mountTmpfs('size=32m');
    await writeFile(join(imagePath, 'old'), 'old');
    // Without leaveRunning the images are all that is left of the process.
    const outcome = await dumpTo(pid, imagePath, { leaveRunning: false, existing: 'replace' }).then(
      () => 'success',
      () => 'failure',
    );
    if (outcome === 'success') expect(images(imagePath)).toContain(`core-${pid}.img`);
    else expect(isAlive(pid)).toBe(true);
  });

  test("'reuse' keeps what is not written anew", async () => {
    const { good, bad, directory } = await startBoth();
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
});

describe('the command, as runc does, writes into what is there', () => {
  test('and keeps the other files', async () => {
    const container = await startContainer(scope, { args: ['/workload', '-', 'idle'] });
    const imagePath = container.path('images');
    await mkdir(imagePath);
    await writeFile(join(imagePath, 'mine'), 'mine');
    const checkpointOnce = async (): Promise<void> => {
      const { code, stderr } = await run(process.execPath, [
        distCli,
        '--root',
        container.stateRoot,
        'checkpoint',
        '--leave-running',
        '--image-path',
        imagePath,
        container.id,
      ]);
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    };
    await checkpointOnce();
    const first = statSync(join(imagePath, 'inventory.img')).mtimeMs;
    await checkpointOnce();
    expect(statSync(join(imagePath, 'inventory.img')).mtimeMs).toBeGreaterThan(first);
    expect(readFileSync(join(imagePath, 'mine'), 'utf8')).toBe('mine');
    await container.runcOk('delete', '--force', container.id);
    await container.restore(imagePath);
  });

  test('unless --existing replace replaces it', async () => {
    const container = await startContainer(scope, { args: ['/workload', '-', 'idle'] });
    const imagePath = container.path('images');
    await mkdir(imagePath);
    await writeFile(join(imagePath, 'mine'), 'mine');
    const args = [
      '--root',
      container.stateRoot,
      'checkpoint',
      '--leave-running',
      '--existing',
      'replace',
    ];
    const { code, stderr } = await run(process.execPath, [
      distCli,
      ...args,
      '--image-path',
      imagePath,
      container.id,
    ]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(existsSync(join(imagePath, 'mine'))).toBe(false);
    expect(images(imagePath)).toContain('inventory.img');
  });
});

describe('symbolic links', () => {
  test('of our own are followed', async () => {
    const { good, directory } = await startBoth();
    await mkdir(join(directory, 'target'));
    await symlink('target', join(directory, 'link'));
    const { imagePath } = await dumpTo(good, join(directory, 'link'));
    expect(imagePath).toBe(join(directory, 'link'));
    expect(images(join(directory, 'target'))).toContain('inventory.img');
    // As a parent, too.
    await dumpTo(good, join(directory, 'link/below'));
    expect(images(join(directory, 'target/below'))).toContain('inventory.img');
  });

  test.each(['imagePath', 'workPath'])('to nothing are refused as %s', async (option) => {
    const { good, directory } = await startBoth();
    await symlink('nowhere', join(directory, 'link'));
    const before = snapshotDirectory(directory);
    const given = { imagePath: join(directory, 'images'), [option]: join(directory, 'link') };
    await expect(
      dump(good, { criu, leaveRunning: true, ...given } as DumpOptions),
    ).rejects.toMatchObject({
      code: 'ERR_INVALID_ARG_VALUE',
      message: expect.stringContaining(option) as string,
    });
    expect(snapshotDirectory(directory)).toEqual(before);
  });

  test.each(['', 'below'])('of another user are refused, path below them: "%s"', async (below) => {
    const { good, directory } = await startBoth();
    const target = await scope.directory();
    await symlink(target, join(directory, 'planted'));
    await lchown(join(directory, 'planted'), 65_534, 65_534);
    await expect(dumpTo(good, join(directory, 'planted', below))).rejects.toMatchObject({
      code: 'ERR_INVALID_ARG_VALUE',
      message: expect.stringMatching(/symbolic link made by user 65534/) as string,
    });
    // Nor when one of our own leads there.
    await symlink('planted', join(directory, 'ours'));
    await expect(dumpTo(good, join(directory, 'ours', below))).rejects.toMatchObject({
      code: 'ERR_INVALID_ARG_VALUE',
    });
    expect(readdirSync(target)).toEqual([]);
  });

  test('among the files of a re-used directory are not written through', async () => {
    const container = await startContainer(scope, { args: ['/workload', '-', 'idle'] });
    const imagePath = container.path('images');
    const victim = container.path('victim');
    await writeFile(victim, 'precious');
    await mkdir(imagePath);
    await symlink(victim, join(imagePath, 'descriptors.json'));
    await checkpoint(container.id, {
      stateRoot: container.stateRoot,
      imagePath,
      leaveRunning: true,
      existing: 'reuse',
    });
    expect(readFileSync(victim, 'utf8')).toBe('precious');
    expect(lstatSync(join(imagePath, 'descriptors.json')).isFile()).toBe(true);
  });
});

describe('file systems that do not take the images', () => {
  test('full: the dump fails, the process goes on, no images stay, and a retry succeeds', async () => {
    const { pid } = await startWorkload(scope, ['memory', 16]);
    const small = await mountTmpfs('size=2m');
    const imagePath = join(small, 'images');
    const error = await failureOf(dumpTo(pid, imagePath, { leaveRunning: false }));
    expect(error.code).toBe('ERR_CRIU_FAILED');
    expect(error.message).toMatch(/No space left|ENOSPC/);
    expect(isAlive(pid)).toBe(true);
    expect(readdirSync(imagePath)).toEqual(['dump.log']);
    await runOk('mount', ['-o', 'remount,size=64m', small]);
    await dumpTo(pid, imagePath);
    expect(images(imagePath)).toContain('inventory.img');
  });

  test('full, a container: it goes on thawed', async () => {
    const container = await startContainer(scope);
    const small = await mountTmpfs('size=64k');
    const error = await failureOf(
      checkpoint(container.id, {
        stateRoot: container.stateRoot,
        imagePath: join(small, 'images'),
      }),
    );
    expect(error.message).not.toMatch(/\n/);
    expect(container.freezer).toBe('THAWED');
    expect(await container.status()).toBe('running');
    await container.countsOn();
    expect(images(join(small, 'images'))).toEqual([]);
  });

  test('so full that nothing can be made: a CriuError, and the container goes on', async () => {
    const container = await startContainer(scope);
    const small = await mountTmpfs('size=4k,nr_inodes=3');
    for (const name of ['one', 'two']) mkdirSync(join(small, name));
    const error = await failureOf(
      checkpoint(container.id, {
        stateRoot: container.stateRoot,
        imagePath: join(small, 'images'),
      }),
    );
    expect(error.code).toBe('ERR_CRIU_IMAGES_DIR');
    expect(error.message).toContain(join(small, 'images'));
    // A directory that is there, but no file can be made in it.
    const inOne = await failureOf(
      checkpoint(container.id, { stateRoot: container.stateRoot, imagePath: join(small, 'one') }),
    );
    expect(inOne.code).toBe('ERR_CRIU_IMAGES_DIR');
    expect(inOne.message).toContain(join(small, 'one'));
    expect(readdirSync(small).sort()).toEqual(['one', 'two']);
    expect(await container.status()).toBe('running');
    await container.countsOn();
  });

  test.each([{}, { existing: 'replace' as const }, { existing: 'reuse' as const }])(
    'read-only: refused before anything, %j',
    async (options) => {
      const { pid } = await startWorkload(scope, ['idle']);
      const place = await mountTmpfs('size=16m');
      await dumpTo(pid, join(place, 'there'));
      await remountReadOnly(place);
      const before = snapshotDirectory(place);
      const paths = [join(place, 'new'), ...('existing' in options ? [join(place, 'there')] : [])];
      for (const path of paths) {
        const error = await failureOf(dumpTo(pid, path, { ...options, leaveRunning: false }));
        expect(error.code).toBe('ERR_CRIU_IMAGES_DIR');
        expect(error.message).toMatch(/EROFS/);
        expect(error.message).toContain(path);
      }
      expect(snapshotDirectory(place)).toEqual(before);
      expect(isAlive(pid)).toBe(true);
    },
  );

  test('a directory that cannot be replaced, as its parent is read-only: refused before anything', async () => {
    const { pid } = await startWorkload(scope, ['idle']);
    const place = await mountTmpfs('size=16m');
    const imagePath = join(place, 'images');
    await dumpTo(pid, imagePath);
    // The directory can be written to, the one that it is in cannot.
    await runOk('mount', ['--bind', imagePath, imagePath]);
    scope.defer(() => runOk('umount', ['-l', imagePath]));
    await remountReadOnly(place, 'remount,bind,ro');
    const before = snapshotDirectory(imagePath);
    await expect(
      dumpTo(pid, imagePath, { existing: 'replace', leaveRunning: false }),
    ).rejects.toBeInstanceOf(CriuError);
    expect(isAlive(pid)).toBe(true);
    expect(snapshotDirectory(imagePath)).toEqual(before);
  });

  test('the working directory of a failing dump keeps its log, the images directory nothing', async () => {
    const { bad, directory } = await startBoth();
    const [imagePath, workPath] = [join(directory, 'images'), join(directory, 'work')];
    const error = await failureOf(dumpTo(bad, imagePath, { workPath }));
    expect(error.logFile).toBe(join(workPath, 'dump.log'));
    expect(readdirSync(workPath)).toEqual(['dump.log']);
    expect(existsSync(imagePath)).toBe(false);
  });
});
