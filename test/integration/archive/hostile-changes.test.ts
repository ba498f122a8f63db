import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { restoreContainer } from '../../helpers/api.js';
import { config, podmanMembers, spec } from '../../helpers/archive/checkpoints.js';
import { type TarEntry, tar } from '../../helpers/archive/tar-bytes.js';
import { requireNeeds } from '../../helpers/needs.js';
import { rejection } from '../../helpers/rejection.js';
import { useScope } from '../../helpers/scope.js';

const scope = useScope();
beforeAll(() => requireNeeds('root', 'build'));

const through = tar(
  { name: 'out', type: '2', link: '../..' },
  { name: 'out/secret', content: 'x' },
);
const volume = { volumeName: 'data', dest: '/data' };
const bind = { destination: '/data', type: 'bind', source: '/nowhere/at/all' };

/** What is put into a checkpoint, and why it is refused. */
const hostile: Readonly<Record<string, readonly [readonly TarEntry[], RegExp]>> = {
  'changed files that lead through a link': [
    [{ name: 'rootfs-diff.tar', content: through }],
    /leads through "out"/,
  ],
  'changed files that lead outside': [
    [{ name: 'rootfs-diff.tar', content: tar({ name: '../../secret', content: 'x' }) }],
    /leads outside/,
  ],
  'changed files that are cut short': [
    [{ name: 'rootfs-diff.tar', content: through.subarray(0, 700) }],
    /cut short/,
  ],
  'a device among the changed files': [
    [{ name: 'rootfs-diff.tar', content: tar({ name: 'dev/sda', type: '4' }) }],
    /is a block device/,
  ],
  'removed files that lead outside': [
    [{ name: 'deleted.files', content: '["/../../secret"]' }],
    /leads outside/,
  ],
  'removed files that are no list': [
    [{ name: 'deleted.files', content: '{"0":"/etc"}' }],
    /deleted.files is no list of paths/,
  ],
  'a volume that leads through a link': [
    [
      { name: 'config.dump', content: JSON.stringify({ ...config, namedVolumes: [volume] }) },
      { name: 'spec.dump', content: JSON.stringify({ ...spec, mounts: [bind] }) },
      { name: 'volumes/data.tar', content: through },
    ],
    /leads through "out"/,
  ],
  'a volume whose name leads outside': [
    [
      {
        name: 'config.dump',
        content: JSON.stringify({
          ...config,
          namedVolumes: [{ ...volume, volumeName: '../secret' }],
        }),
      },
      { name: 'spec.dump', content: JSON.stringify({ ...spec, mounts: [bind] }) },
    ],
    /which is not there/,
  ],
  'a specification that is none': [[{ name: 'spec.dump', content: '[]' }], /it is no object/],
  'mounts that are none': [
    [{ name: 'spec.dump', content: '{"mounts":[{"destination":"/a","options":"bind"}]}' }],
    /its mounts are not as a runtime has them/,
  ],
};

test.each(Object.entries(hostile))(
  'nothing is left of a bundle for %s',
  async (_what, [more, why]) => {
    const directory = await scope.directory();
    const place = join(directory, 'place');
    mkdirSync(place);
    mkdirSync(join(directory, 'rootfs/etc'), { recursive: true });
    writeFileSync(join(directory, 'secret'), 'secret');
    const from = join(directory, 'web.tar');
    const replaced = more.map(({ name }) => name);
    writeFileSync(
      from,
      tar(...podmanMembers.filter(({ name }) => !replaced.includes(name)), ...more),
    );
    const bundle = join(place, 'deep/bundle');
    const error = await rejection(
      restoreContainer('web', { from, rootfs: join(directory, 'rootfs'), bundle }),
    );
    expect(error.code).toMatch(/^ERR_(?:CHECKPOINT_ARCHIVE|INVALID_ARG_VALUE)$/);
    expect(error.message).toMatch(why);
    expect(readdirSync(place)).toEqual([]);
    expect(readdirSync(directory).sort()).toEqual(['place', 'rootfs', 'secret', 'web.tar']);
    expect(readFileSync(join(directory, 'secret'), 'utf8')).toBe('secret');
  },
);
