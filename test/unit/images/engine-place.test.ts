import { chmodSync, existsSync, mkdirSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import { refuseChainIn, refuseParentOf } from '../../../lib/images/engine-place.js';
import { iterate } from '../../../lib/iterate.js';
import { rejection } from '../../helpers/rejection.js';
import { useScope } from '../../helpers/scope.js';

const scope = useScope();
const id = '0123456789abcdef'.repeat(4);
let root = '';
beforeEach(async () => {
  root = await scope.directory();
  chmodSync(root, 0o700);
});

/** A place whose parent directories are there. */
function place(path: string): string {
  const full = join(root, path);
  mkdirSync(dirname(full), { recursive: true });
  return full;
}

const docker = `containers/${id}/checkpoints/one`;
const podman = `overlay-containers/${id}/userdata/checkpoint`;
const none = [
  'checkpoint',
  `containers/${id}/checkpoints`,
  'containers/web/checkpoints/one',
  `containers/${id}/checkpoints/one/two`,
  `${podman}-1`,
];

describe('a place from which an engine takes images', () => {
  test.each([docker, podman, `vfs-containers/${id}/userdata/checkpoint`])(
    'gets no iteration, before anything is touched: %s',
    async (path) => {
      const imagePath = place(path);
      expect(await rejection(refuseChainIn(imagePath))).toMatchObject({
        code: 'ERR_INVALID_ARG_VALUE',
      });
      const error = await rejection(iterate(process.pid, { imagePath }).next());
      expect(error.message).toMatch(
        /^Expected a directory from which (docker|podman) does not restore for imagePath/,
      );
      expect(existsSync(imagePath)).toBe(false);
    },
  );

  test('is none that an iteration can be told of by name', () => {
    const options = { imagePath: join(root, 'chain'), inEngine: 'one' } as object;
    expect(() => iterate('web', options)).toThrow(/inEngine.*an engine takes the images of one/);
  });

  test('is found behind a link', async () => {
    place(docker);
    symlinkSync(join(root, 'containers'), join(root, 'link'));
    const imagePath = join(root, 'link', id, 'checkpoints/one');
    expect(await rejection(refuseChainIn(imagePath))).toMatchObject({
      code: 'ERR_INVALID_ARG_VALUE',
    });
  });

  test('of docker gets no images with a parent, of podman it does', async () => {
    const error = await rejection(refuseParentOf(place(docker), '../before'));
    expect(error).toMatchObject({ code: 'ERR_INVALID_ARG_VALUE' });
    expect(error.message).toContain('docker takes the images of one directory');
    await refuseParentOf(place(podman), '../pre-checkpoint');
  });

  test.each(none)('is not taken for any other one: %s', async (path) => {
    await refuseChainIn(place(path));
    await refuseParentOf(place(path), '../before');
  });
});
