import { existsSync, readFileSync, statSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { images } from '../../helpers/criu/images.js';
import { requireNeeds } from '../../helpers/needs.js';
import { distCli } from '../../helpers/paths.js';
import { useScope } from '../../helpers/scope.js';
import { run } from '../../helpers/system/exec.js';
import { startContainer } from '../../helpers/workloads/container.js';

const scope = useScope();
beforeAll(() => requireNeeds('root', 'criu', 'libcriu', 'build', 'runc', 'busybox', 'gcc'));

describe('the command writes into a directory that has content, as runc does', () => {
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
