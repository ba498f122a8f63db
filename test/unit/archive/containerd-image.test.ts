import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { containerdDefaults } from '../../../lib/archive/containerd-image.js';
import { openCheckpoint } from '../../../lib/archive/open.js';
import { openFileTarget } from '../../../lib/archive/target.js';
import { writeArchive } from '../../../lib/archive/write.js';
import { images as saved } from '../../helpers/archive/checkpoints.js';
import { useScope } from '../../helpers/scope.js';
import { runOk } from '../../helpers/system/exec.js';

const scope = useScope();

interface Descriptor {
  mediaType: string;
  digest: string;
  annotations?: Record<string, string>;
}

interface Index {
  manifests: Descriptor[];
  annotations?: Record<string, string>;
}

/** A number that JavaScript cannot hold, and a text that looks like the cgroup. */
const spec =
  '{"ociVersion":"1.0.2","process":{"rlimits":[{"hard":18446744073709551615}]},' +
  '"annotations":{"a":"{\\"cgroupsPath\\":\\"/kept\\"}"},"linux":{"cgroupsPath":"/default/web"}}';
const type = 'application/vnd.containerd.container';

/** An image of containerd with what a container has changed, and its file. */
async function written(removed: readonly string[]): Promise<{ file: string; directory: string }> {
  const directory = await scope.directory();
  const images = join(directory, 'images');
  const upper = join(directory, 'upper');
  for (const path of [images, join(upper, 'etc')]) mkdirSync(path, { recursive: true });
  for (const { name, content = '' } of saved) writeFileSync(join(images, String(name)), content);
  writeFileSync(join(upper, 'etc/motd'), 'changed');
  const diff = join(directory, 'diff.tar');
  await runOk('tar', ['-C', upper, '-cf', diff, '.']);
  const opened = await open(diff);
  scope.defer(() => opened.close());
  const file = join(directory, 'web.tar');
  const target = await openFileTarget('export', file, false);
  const still = [
    { member: 'rootfs-diff.tar', archive: { fd: opened.fd, removed: [...removed], notes: [] } },
  ];
  const runtimeOptions = Buffer.from('options');
  await writeArchive(
    { target, format: 'containerd', compression: 'gzip', scratch: directory, signal: undefined },
    { config: '{}', spec, status: '{}', images, still },
    {
      name: 'web',
      runtime: 'runc',
      containerd: { ...containerdDefaults('docker.io/library/box:1'), runtimeOptions },
    },
  );
  await target.keep();
  await target.close();
  return { file, directory };
}

test('the image has a name, the parts that containerd looks for, and how they are restored', async () => {
  const { file, directory } = await written([]);
  const layout = join(directory, 'layout');
  mkdirSync(layout);
  await runOk('tar', ['-C', layout, '-xf', file]);
  const blob = ({ digest }: Descriptor): Buffer =>
    readFileSync(join(layout, `blobs/${digest.replace(':', '/')}`));
  const top = JSON.parse(readFileSync(join(layout, 'index.json'), 'utf8')) as Index;
  expect(top.manifests).toHaveLength(1);
  const [named] = top.manifests as [Descriptor];
  expect(named.annotations).toEqual({
    'io.containerd.image.name': 'localhost/web:checkpoint',
    'org.opencontainers.image.ref.name': 'localhost/web:checkpoint',
  });
  const index = JSON.parse(blob(named).toString()) as Index;
  expect(index.annotations).toEqual({
    'org.opencontainers.image.ref.name': 'docker.io/library/box:1',
    'org.criu.checkpoint.container.name': 'web',
    'io.containerd.checkpoint.runtime': 'io.containerd.runc.v2',
    'io.containerd.checkpoint.snapshotter': 'overlayfs',
  });
  expect(index.manifests.map(({ mediaType }) => mediaType)).toEqual([
    'application/vnd.oci.image.manifest.v1+json',
    `${type}.criu.checkpoint.criu.tar`,
    `${type}.checkpoint.config.v1+proto`,
    `${type}.checkpoint.runtime.options+proto`,
    'application/vnd.oci.image.layer.v1.tar+gzip',
  ]);
  const [, , message, options] = index.manifests as [
    Descriptor,
    Descriptor,
    Descriptor,
    Descriptor,
  ];
  expect(blob(message).toString('latin1')).toContain(spec.replace('/default/web', ''));
  expect(blob(options).toString()).toBe('options');
});

test('what is removed is said in the layer, before what is there', async () => {
  const long = `/usr/${'x'.repeat(150)}/${'y'.repeat(120)}`;
  const removed = ['/bin/mv', '/gone', long, ...Array.from({ length: 300 }, (_, at) => `/n/${at}`)];
  const { file, directory } = await written(removed);
  await using opened = await openCheckpoint(file);
  expect(opened.info).toMatchObject({
    format: 'containerd',
    id: 'web',
    image: 'docker.io/library/box:1',
    hasSpec: true,
    hasRootfsChanges: true,
  });
  const to = join(directory, 'unpacked');
  await opened.extract(to);
  const listed = await runOk('tar', ['-tzf', join(to, 'rootfs-layer.tar')]);
  expect(listed.trim().split('\n')).toEqual([
    ...removed.map((path) => path.slice(1).replace(/[^/]+$/, (name) => `.wh.${name}`)),
    './',
    './etc/',
    './etc/motd',
  ]);
  expect(readFileSync(join(to, 'spec.dump'), 'utf8')).toBe(spec.replace('/default/web', ''));
});
