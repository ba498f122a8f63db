import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { openCheckpoint } from '../../helpers/api.js';
import {
  blobOf,
  config,
  containerdImage,
  images,
  imageWith,
  layout,
  podmanArchive,
  podmanMembers,
  pointer,
} from '../../helpers/archive/checkpoints.js';
import { tar } from '../../helpers/archive/tar-bytes.js';
import { zstd } from '../../helpers/archive/zstd.js';
import { failureOf, rejection } from '../../helpers/rejection.js';
import { useScope } from '../../helpers/scope.js';

const scope = useScope();

async function fileWith(content: Buffer): Promise<string> {
  const file = join(await scope.directory(), 'web.tar');
  writeFileSync(file, content);
  return file;
}

/** Files by their paths, in a directory of their own. */
async function directoryWith(files: ReadonlyMap<string, Buffer>): Promise<string> {
  const directory = join(await scope.directory(), 'checkpoint');
  for (const [path, content] of files) {
    mkdirSync(dirname(join(directory, path)), { recursive: true });
    writeFileSync(join(directory, path), content);
  }
  return directory;
}

const tarOf = (files: ReadonlyMap<string, Buffer>): Buffer =>
  tar(...[...files].map(([name, content]) => ({ name, content })));

const filesOf = (members: typeof podmanMembers): Map<string, Buffer> =>
  new Map(
    members
      .filter(({ type }) => type === undefined)
      .map(({ name, content = '' }) => [String(name), Buffer.from(content)]),
  );

const ofPodman = {
  engine: 'podman',
  name: 'web',
  id: config['id'],
  image: 'docker.io/library/redis:7',
  runtime: 'runc',
  created: new Date('2026-01-02T03:04:05.123Z'),
  processes: 2,
  criuVersion: '4.2.1',
  hasSpec: true,
  hasRootfsChanges: false,
  volumes: [],
};

const bare = { hasSpec: false, processes: 2, criuVersion: '4.2.1', name: undefined };

/** A checkpoint in each form, and what is known of it. */
const forms: Readonly<Record<string, readonly [() => Promise<string>, object]>> = {
  'an archive': [
    () => fileWith(podmanArchive),
    {
      ...ofPodman,
      format: 'podman',
      compression: 'none',
      checkpointed: new Date(1_750_000_000_000),
    },
  ],
  'an archive that gzip has made': [
    () => fileWith(gzipSync(podmanArchive)),
    { ...ofPodman, format: 'podman', compression: 'gzip' },
  ],
  'an archive that zstd has made': [
    () => fileWith(zstd(podmanArchive)),
    { ...ofPodman, format: 'podman', compression: 'zstd' },
  ],
  'an archive whose names begin with ./': [
    () =>
      fileWith(
        tar(...podmanMembers.map((member) => ({ ...member, name: `./${String(member.name)}` }))),
      ),
    { ...ofPodman, format: 'podman' },
  ],
  'an archive that has been unpacked': [
    () => directoryWith(filesOf(podmanMembers)),
    { ...ofPodman, format: 'podman', compression: 'none' },
  ],
  'an image with the archive': [
    () => directoryWith(imageWith(podmanArchive)),
    { ...ofPodman, format: 'image' },
  ],
  'an archive of an image with the archive': [
    () => fileWith(tarOf(imageWith(gzipSync(podmanArchive)))),
    { ...ofPodman, format: 'image', compression: 'none' },
  ],
  'an archive of an image whose layer is behind its manifest': [
    () => fileWith(gzipSync(tarOf(new Map([...imageWith(zstd(podmanArchive))].reverse())))),
    { ...ofPodman, format: 'image', compression: 'gzip' },
  ],
  'an image of containerd': [
    () => fileWith(tarOf(containerdImage(gzipSync(tar({ name: 'count', content: '7' }))))),
    { engine: 'podman', id: 'web', format: 'containerd', hasSpec: true, hasRootfsChanges: true },
  ],
  'the images alone': [
    () => directoryWith(filesOf(images)),
    { ...bare, format: 'images', engine: undefined },
  ],
  'an archive of the images alone': [() => fileWith(tar(...images)), { ...bare, format: 'images' }],
};

describe('openCheckpoint reads', () => {
  test.each(Object.entries(forms))('%s, and unpacks it', async (_what, [make, expected]) => {
    const path = await make();
    await using checkpoint = await openCheckpoint(path);
    expect(checkpoint.info).toMatchObject({ path, ...expected });
    expect(checkpoint.info.bytes).toBeGreaterThan(700);
    const target = join(await scope.directory(), 'made/here');
    const directory = await checkpoint.extract(target);
    expect(directory).toBe(join(target, 'checkpoint'));
    expect(statSync(target).mode & 0o777).toBe(0o700);
    expect(readFileSync(join(directory, 'pages-1.img')).equals(Buffer.alloc(700, 'p'))).toBe(true);
    expect(statSync(join(directory, 'inventory.img')).mode & 0o777).toBe(0o600);
    expect(readdirSync(directory).sort()).toEqual(images.map(({ name }) => name).sort());
    expect(existsSync(join(target, 'spec.dump'))).toBe(checkpoint.info.hasSpec);
  });

  test("docker's directory of a checkpoint, with what docker's files say", async () => {
    const id = 'ab'.repeat(32);
    const root = await directoryWith(
      new Map(
        [...filesOf(images)].map(([name, content]) => [
          `containers/${id}/checkpoints/one/${name}`,
          content,
        ]),
      ),
    );
    const container = join(root, 'containers', id);
    writeFileSync(
      join(container, 'config.v2.json'),
      JSON.stringify({
        Name: '/web',
        Config: { Image: 'redis:7' },
        Created: '2026-01-02T03:04:05Z',
      }),
    );
    await using checkpoint = await openCheckpoint(join(container, 'checkpoints/one'));
    expect(checkpoint.info).toMatchObject({
      engine: 'docker',
      id,
      name: 'web',
      image: 'redis:7',
      created: new Date('2026-01-02T03:04:05Z'),
      format: 'images',
    });
    // What another user can have written is not believed.
    chmodSync(join(container, 'config.v2.json'), 0o666);
    await using other = await openCheckpoint(join(container, 'checkpoints/one'));
    expect(other.info).toMatchObject({ engine: 'docker', id, name: undefined, image: undefined });
  });

  test('a container of a pod by the names of Kubernetes', async () => {
    const annotations = {
      'io.kubernetes.cri.sandbox-namespace': 'default',
      'io.kubernetes.cri.sandbox-name': 'pod',
      'io.kubernetes.cri.container-name': 'app',
    };
    const members = podmanMembers.map((member) =>
      member.name === 'spec.dump'
        ? { ...member, content: JSON.stringify({ annotations }) }
        : member,
    );
    await using checkpoint = await openCheckpoint(await fileWith(tar(...members)));
    expect(checkpoint.info).toMatchObject({ engine: 'containerd', name: 'default/pod/app' });
  });
});

describe('the engine is told', () => {
  /** An archive whose specification has no annotations. */
  const archiveOf = (more: object, mounts: readonly object[] = []): Buffer =>
    tar(
      ...podmanMembers.map((member) => {
        if (member.name === 'spec.dump') return { ...member, content: JSON.stringify({ mounts }) };
        if (member.name !== 'config.dump') return member;
        return { ...member, content: JSON.stringify({ ...config, ...more }) };
      }),
    );
  const hostname = (directory: string): object => ({
    destination: '/etc/hostname',
    source: `${directory}/${'ab'.repeat(32)}/hostname`,
  });

  test.each([
    ['by libcriu', { engine: 'containerd' }, [], 'containerd'],
    ['by libcriu of docker', { engine: 'docker' }, [], 'docker'],
    ["by docker's directory", {}, [hostname('/var/lib/docker/containers')], 'docker'],
    ['by nobody', {}, [{ source: '/srv/containers/web/hostname' }], undefined],
    ['by nobody, though it is a directory', {}, [{ source: '/containers/hostname' }], undefined],
    ['by a name that none has', { engine: 'constructor' }, [], undefined],
  ])('%s', async (_, more, mounts, engine) => {
    await using checkpoint = await openCheckpoint(await fileWith(archiveOf(more, mounts)));
    expect(checkpoint.info.engine).toBe(engine);
  });
});

test.each([
  ['/run/docker/runtime-runc/moby/web', 'docker'],
  ['/run/containerd/runc/moby/web', 'docker'],
  ['/run/containerd/runc/default/web', 'containerd'],
  ['/run/containerd/runc/k8s.io/web', 'containerd'],
  ['/run/runc/web', undefined],
  ['/run/moby/web', undefined],
])(
  'the engine of images that checkpoint has made is told by the state in %s',
  async (stateDir, engine) => {
    const files = filesOf(images);
    files.set('libcriu-container.json', Buffer.from(JSON.stringify({ id: 'web', stateDir })));
    await using checkpoint = await openCheckpoint(await directoryWith(files));
    expect(checkpoint.info).toMatchObject({ id: 'web', engine });
  },
);

describe('what was opened', () => {
  test('is what is read later, whatever the path leads to', async () => {
    const file = await fileWith(podmanArchive);
    await using checkpoint = await openCheckpoint(file);
    renameSync(file, `${file}.old`);
    writeFileSync(file, 'something else');
    const directory = await checkpoint.extract(join(await scope.directory(), 'there'));
    expect(existsSync(join(directory, 'inventory.img'))).toBe(true);
  });

  test('is unpacked to an empty directory, and to no other', async () => {
    await using checkpoint = await openCheckpoint(await fileWith(podmanArchive));
    const target = await scope.directory();
    await checkpoint.extract(target);
    const before = readdirSync(target);
    const error = await rejection(checkpoint.extract(target));
    expect(error).toMatchObject({ code: 'ERR_INVALID_ARG_VALUE' });
    expect(error.message).toContain('directory');
    expect(readdirSync(target)).toEqual(before);
  });

  test('cannot be unpacked when it has been closed', async () => {
    const checkpoint = await openCheckpoint(await fileWith(podmanArchive));
    await checkpoint.close();
    await checkpoint.close();
    const target = join(await scope.directory(), 'there');
    expect((await failureOf(checkpoint.extract(target))).code).toBe('ERR_CHECKPOINT_ARCHIVE');
    expect(existsSync(target)).toBe(false);
  });

  test('and has been cut short since leaves nothing behind', async () => {
    const file = await fileWith(podmanArchive);
    await using checkpoint = await openCheckpoint(file);
    writeFileSync(file, podmanArchive.subarray(0, 3000));
    const parent = await scope.directory();
    const error = await failureOf(checkpoint.extract(join(parent, 'a/b')));
    expect(error.message).toMatch(/cut short/);
    expect(readdirSync(parent)).toEqual([]);
  });

  test('and is aborted while it is unpacked leaves nothing behind', async () => {
    await using checkpoint = await openCheckpoint(await fileWith(podmanArchive));
    const parent = await scope.directory();
    const given = AbortSignal.abort();
    const error = await rejection(checkpoint.extract(join(parent, 'a'), { signal: given }));
    expect(error.code).toBe('ABORT_ERR');
    expect(readdirSync(parent)).toEqual([]);
  });
});

describe('openCheckpoint refuses', () => {
  test.each([
    [{ maxEntries: 0 }, /maxEntries/],
    [{ maxBytes: '1G' }, /maxBytes/],
    [{ maxRatio: 1.5 }, /maxRatio/],
    [{ signal: 'now' }, /signal/],
    [{ timeoutMs: 2 ** 31 }, /timeoutMs/],
    [{ maxByte: 1 }, /maxByte/],
    [[], /options/],
    [null, /options/],
  ])('the options %j', async (options, why) => {
    const error = await rejection(openCheckpoint('/nowhere', options as never));
    expect(error.code).toMatch(/^ERR_INVALID_ARG_/);
    expect(error.message).toMatch(why);
  });

  test.each([7, '', 'a\0b', '/nowhere/at/all', undefined])('the path %j', async (path) => {
    const error = await rejection(openCheckpoint(path as never));
    expect(error.code).toMatch(/^ERR_INVALID_ARG_/);
  });

  test('a file that another user can write', async () => {
    const file = await fileWith(podmanArchive);
    chmodSync(file, 0o666);
    expect((await failureOf(openCheckpoint(file))).code).toBe('ERR_UNTRUSTED_PATH');
  });

  test('a device', async () => {
    expect((await failureOf(openCheckpoint('/dev/null'))).message).toMatch(/neither a file nor/);
  });

  const inDirectory: Readonly<Record<string, readonly [(directory: string) => void, RegExp]>> = {
    'a symbolic link': [
      (at) => symlinkSync('/etc/passwd', join(at, 'core-1.img')),
      /neither a file nor/,
    ],
    'the link to a parent': [
      (at) => symlinkSync('../other', join(at, 'parent')),
      /earlier pre-dump/,
    ],
    'a directory of its own': [(at) => mkdirSync(join(at, 'more')), /directory among the images/],
    'a file that others can write': [
      (at) => chmodSync(join(at, 'pages-1.img'), 0o666),
      /may be written by another user/,
    ],
    'no inventory': [
      (at) => renameSync(join(at, 'inventory.img'), join(at, 'x')),
      /is no checkpoint/,
    ],
  };

  test.each(Object.entries(inDirectory))('a directory with %s', async (_what, [change, why]) => {
    const directory = await directoryWith(filesOf(images));
    change(directory);
    expect((await failureOf(openCheckpoint(directory))).message).toMatch(why);
  });

  const index = 'application/vnd.oci.image.index.v1+json';
  const manifest = 'application/vnd.oci.image.manifest.v1+json';
  const ofImage: Readonly<Record<string, readonly [() => Map<string, Buffer>, RegExp]>> = {
    'no images': [() => layout([], { manifests: [] }), /has 0 images/],
    'a digest that is no digest': [
      () => layout([], { manifests: [{ mediaType: manifest, digest: 'sha256:../../../etc' }] }),
      /a digest in it is not one of SHA-256/,
    ],
    'a manifest that is missing': [
      () => layout([], { manifests: [pointer(manifest, blobOf('{}'))] }),
      /blobs\/sha256\/[0-9a-f]+ is missing/,
    ],
    'two layers': [
      () => {
        const blob = blobOf(podmanArchive);
        const layer = pointer('application/vnd.oci.image.layer.v1.tar', blob);
        const inner = blobOf(JSON.stringify({ layers: [layer, layer] }));
        return layout([blob, inner], { manifests: [pointer(manifest, inner)] });
      },
      /an image with 2 layers/,
    ],
    'a layer that is missing': [
      () =>
        new Map(
          [...imageWith(podmanArchive)].filter(([, { length }]) => length !== podmanArchive.length),
        ),
      /is missing/,
    ],
    'a layer that is another image': [
      () => imageWith(tar({ name: 'etc/passwd' })),
      /is no checkpoint/,
    ],
    'a layer that leads outside': [
      () => imageWith(tar(...podmanMembers, { name: '../x' })),
      /leads outside/,
    ],
    'a blob that its digest does not fit': [
      () =>
        new Map([
          ...imageWith(podmanArchive),
          [`blobs/sha256/${'0'.repeat(64)}`, Buffer.from('x')],
        ]),
      /is not what its digest says/,
    ],
    'an index in itself': [
      () => {
        let blob = blobOf('{"manifests":[]}');
        const blobs = [blob];
        for (let depth = 0; depth < 9; depth += 1) {
          blob = blobOf(JSON.stringify({ manifests: [pointer(index, blob)] }));
          blobs.push(blob);
        }
        return layout(blobs, { manifests: [pointer(index, blob)] });
      },
      /nested too deep/,
    ],
  };

  test.each(Object.entries(ofImage))('an image with %s', async (_what, [make, why]) => {
    expect((await failureOf(openCheckpoint(await directoryWith(make())))).message).toMatch(why);
    expect((await failureOf(openCheckpoint(await fileWith(tarOf(make()))))).message).toMatch(why);
  });
});
