import { createHash } from 'node:crypto';
import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { chainIds } from '../../../../lib/container/engines/layers/digest.js';
import { findLayers } from '../../../../lib/container/engines/layers/find.js';
import type { WantedImage } from '../../../../lib/container/engines/layers/image.js';
import { type Machine, makeMachine } from '../../../helpers/container-machine.js';
import { requireNeeds } from '../../../helpers/needs.js';
import { failureOf } from '../../../helpers/rejection.js';

beforeAll(() => requireNeeds('root'));

const id = (digit: string): string => digit.repeat(64);
const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
const image = id('a');
const wanted: WantedImage = { name: 'docker.io/library/redis:7', id: image, engine: 'docker' };

let machine: Machine;
beforeEach(async () => {
  machine = await makeMachine();
  await machine.mkdir('proc');
});

const write = (path: string, value: unknown): Promise<string> =>
  machine.write(path, typeof value === 'string' ? value : JSON.stringify(value));
const find = (more: Partial<WantedImage> = {}) => findLayers({ ...wanted, ...more }, machine.host);
const inMachine = (...paths: string[]): string[] =>
  paths.map((path) => join(machine.host.systemRoot, path));

/** An image of two layers in the directories of docker. */
async function dockerImage(root = '/var/lib/docker', driver = 'overlay2'): Promise<void> {
  const images = join(root, 'image', driver);
  const diffIds = ['1', '2'].map((digit) => `sha256:${id(digit)}`);
  const chain = [id('1'), sha256(`sha256:${id('1')} sha256:${id('2')}`)];
  await write(join(images, 'repositories.json'), {
    Repositories: { redis: { 'redis:7': `sha256:${image}` } },
  });
  await write(join(images, 'imagedb/content/sha256', image), {
    rootfs: { type: 'layers', diff_ids: diffIds },
  });
  for (const [index, layer] of chain.entries()) {
    await write(join(images, 'layerdb/sha256', layer, 'cache-id'), id(`${index + 5}`));
  }
}

/** An image of two layers in containers/storage. */
async function storageImage(root: string, driver = 'overlay', parent = id('1')): Promise<void> {
  const entry = { id: image, names: ['docker.io/library/redis:7'], layer: id('2') };
  await write(join(root, `${driver}-images/images.json`), [{ id: id('9') }, entry]);
  await write(join(root, `${driver}-layers/layers.json`), [
    { id: id('1') },
    { id: id('2'), parent },
  ]);
}

test('the layers of an image have names that depend on those below', () => {
  expect(chainIds([])).toEqual([]);
  expect(chainIds(['sha256:a', 'sha256:b', 'sha256:c'])).toEqual([
    'sha256:a',
    `sha256:${sha256('sha256:a sha256:b')}`,
    `sha256:${sha256(`sha256:${sha256('sha256:a sha256:b')} sha256:c`)}`,
  ]);
});

test('no image is found on a machine without engines, and of a checkpoint that tells none', async () => {
  expect(await find()).toBeUndefined();
  await dockerImage();
  expect(await find({ name: undefined, id: undefined })).toBeUndefined();
});

describe('an image of docker', () => {
  test.each([
    ['by its id', { name: undefined }],
    ['by its name', { id: undefined }],
    ['by its name in short', { id: undefined, name: 'redis:7' }],
  ])('is found %s, the upper layer first', async (_, by) => {
    await dockerImage();
    expect(await find(by)).toEqual({
      owner: 'docker',
      directories: inMachine(
        `/var/lib/docker/overlay2/${id('6')}/diff`,
        `/var/lib/docker/overlay2/${id('5')}/diff`,
      ),
    });
  });

  test('is found where docker was told to keep it, and whole with vfs', async () => {
    await write('/etc/docker/daemon.json', { 'data-root': '/srv/docker' });
    await dockerImage('/srv/docker', 'vfs');
    const found = await find();
    expect(found?.directories).toEqual(inMachine(`/srv/docker/vfs/dir/${id('6')}`));
  });

  test('is not taken for one of another id, or another name', async () => {
    await dockerImage();
    expect(await find({ id: id('b') })).toBeUndefined();
    expect(await find({ id: undefined, name: 'docker.io/library/redis:8' })).toBeUndefined();
  });

  test('whose layers are gone is refused', async () => {
    await dockerImage();
    const [top = ''] = chainIds([`sha256:${id('1')}`, `sha256:${id('2')}`]).reverse();
    const file = `/var/lib/docker/image/overlay2/layerdb/sha256/${top.slice(7)}/cache-id`;
    for (const content of ['', '../../../etc', 'x'.repeat(64)]) {
      await write(file, content);
      const error = await failureOf(find());
      expect(error.code).toBe('ERR_CONTAINER_CORRUPT');
      expect(error.message).toContain('cache-id');
    }
  });

  test('is not believed where others can write its files', async () => {
    await dockerImage();
    chmodSync(join(machine.host.systemRoot, '/var/lib/docker/image/overlay2/layerdb'), 0o777);
    expect(await failureOf(find())).toMatchObject({ code: 'ERR_UNTRUSTED_PATH' });
  });
});

describe('an image of containers/storage', () => {
  const podmans = { engine: 'podman' } as const;

  test.each([
    ['by its id', { name: undefined }],
    ['by its name', { id: undefined }],
  ])('is found %s, the upper layer first', async (_, by) => {
    await storageImage('/var/lib/containers/storage');
    expect(await find({ ...podmans, ...by })).toEqual({
      owner: 'containers/storage',
      directories: inMachine(
        `/var/lib/containers/storage/overlay/${id('2')}/diff`,
        `/var/lib/containers/storage/overlay/${id('1')}/diff`,
      ),
    });
  });

  test('is found where storage.conf says, and whole with vfs', async () => {
    await write('/etc/containers/storage.conf', '[storage]\ngraphroot = "/srv/storage"\n');
    await storageImage('/srv/storage', 'vfs');
    const found = await find(podmans);
    expect(found?.directories).toEqual(inMachine(`/srv/storage/vfs/dir/${id('2')}`));
  });

  test.each([
    ['is not there', id('7')],
    ['leads to itself', id('2')],
    ['is a path', '../../../etc'],
  ])('whose lower layer %s is refused', async (_, parent) => {
    await storageImage('/var/lib/containers/storage', 'overlay', parent);
    expect(await failureOf(find(podmans))).toMatchObject({ code: 'ERR_CONTAINER_CORRUPT' });
  });
});

test('the engine whose container it was comes first', async () => {
  await dockerImage();
  await storageImage('/var/lib/containers/storage');
  expect((await find())?.owner).toBe('docker');
  expect((await find({ engine: 'podman' }))?.owner).toBe('containers/storage');
  expect((await find({ engine: 'containerd' }))?.owner).toBe('docker');
  expect((await find({ engine: undefined }))?.owner).toBe('docker');
});
