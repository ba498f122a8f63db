import { once } from 'node:events';
import { existsSync, linkSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { Criu, checkpoint } from '../../helpers/api.js';
import { dumpTo, images, startBoth } from '../../helpers/criu/images.js';
import { requireNeeds } from '../../helpers/needs.js';
import { failureOf } from '../../helpers/rejection.js';
import { useScope } from '../../helpers/scope.js';
import { isAlive, startWorkload } from '../../helpers/system/process.js';
import { snapshotDirectory } from '../../helpers/system/snapshot.js';
import { startContainer } from '../../helpers/workloads/container.js';

const scope = useScope();
beforeAll(() => requireNeeds('root', 'criu', 'libcriu', 'build', 'runc', 'busybox', 'gcc'));

describe('a directory for images', () => {
  test('is made with its parents, for root only, and again for the next images', async () => {
    const { good, directory } = await startBoth(scope);
    const imagePath = join(directory, 'a/b/images');
    await dumpTo(good, imagePath);
    for (const path of [imagePath, dirname(imagePath), join(directory, 'a')]) {
      expect(statSync(path).mode & 0o777).toBe(0o700);
    }
    await dumpTo(good, join(directory, 'a/b/more'));
    expect(readdirSync(join(directory, 'a/b')).sort()).toEqual(['images', 'more']);
  });

  test('may be there already, empty, and keeps its mode', async () => {
    const { good, directory } = await startBoth(scope);
    const imagePath = join(directory, 'images');
    await mkdir(imagePath);
    await chmod(imagePath, 0o750);
    await dumpTo(good, imagePath);
    expect(statSync(imagePath).mode & 0o777).toBe(0o750);
    expect(images(imagePath)).toContain('inventory.img');
  });

  test('is refused when it holds something, and nothing changes', async () => {
    const { good, directory } = await startBoth(scope);
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

  test('is refused when it holds something before the container is frozen', async () => {
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
    const { good, bad, directory } = await startBoth(scope);
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

  test('holds no images after a dump that was aborted', async () => {
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

  test('is gone again when its dump never came to CRIU', async () => {
    const { good, directory } = await startBoth(scope);
    const imagePath = join(directory, 'a/images');
    // A socket that nobody listens at any more.
    const service = join(directory, 'service.sock');
    const server = createServer().listen(service);
    await once(server, 'listening');
    linkSync(service, `${service}-left`);
    server.close();
    const criu = new Criu({ service: `${service}-left` });
    const error = await failureOf(dumpTo(good, imagePath, { criu }));
    expect(error.stage).toBe('spawn');
    expect(existsSync(join(directory, 'a'))).toBe(false);
  });

  test('holds nothing after a dump that failed, whose log is in workPath', async () => {
    const { bad, directory } = await startBoth(scope);
    const [imagePath, workPath] = [join(directory, 'images'), join(directory, 'work')];
    const error = await failureOf(dumpTo(bad, imagePath, { workPath }));
    expect(error.logFile).toBe(join(workPath, 'dump.log'));
    expect(readdirSync(workPath)).toEqual(['dump.log']);
    expect(existsSync(imagePath)).toBe(false);
  });
});
