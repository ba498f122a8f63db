import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { referenceOf } from '../../../lib/archive/oci.js';
import { openFileTarget } from '../../../lib/archive/target.js';
import { writeArchive } from '../../../lib/archive/write.js';
import { useScope } from '../../helpers/scope.js';
import { runOk } from '../../helpers/system/exec.js';

const scope = useScope();
const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

/** What the index and the manifest of an image have. */
interface Descriptor {
  mediaType: string;
  digest: string;
  size: number;
  annotations?: Record<string, string>;
}

test.each(['gzip', 'none'] as const)(
  'an image has an archive as its layer: %s',
  async (compression) => {
    const directory = await scope.directory();
    const images = await scope.directory();
    const file = join(directory, 'web.oci');
    const target = await openFileTarget('export', file, false);
    const settings = { target, format: 'oci-archive', compression, signal: undefined } as const;
    const contents = { config: '{}', spec: '{}', status: '{}', images, still: [] };
    const facts = { name: 'Web_1', runtime: 'crun', image: 'box:1', imageId: 'abc' };
    await writeArchive({ ...settings, scratch: directory }, contents, facts);
    await target.keep();
    await target.close();
    await runOk('tar', ['--extract', '--file', file, '--directory', directory]);
    const read = (path: string): Buffer => readFileSync(join(directory, path));
    const blob = ({ digest, size }: Descriptor): Buffer => {
      const bytes = read(`blobs/${digest.replace(':', '/')}`);
      expect({ digest: `sha256:${sha256(bytes)}`, size: bytes.length }).toEqual({ digest, size });
      return bytes;
    };
    expect(JSON.parse(read('oci-layout').toString())).toEqual({ imageLayoutVersion: '1.0.0' });
    const index = JSON.parse(read('index.json').toString()) as { manifests: [Descriptor] };
    expect(index.manifests[0].annotations).toEqual({
      'org.opencontainers.image.ref.name': 'localhost/web-1:checkpoint',
    });
    const manifest = JSON.parse(blob(index.manifests[0]).toString()) as {
      config: Descriptor;
      layers: [Descriptor];
      annotations: Record<string, string>;
    };
    expect(manifest.annotations).toMatchObject({
      'org.criu.checkpoint.container.name': 'Web_1',
      'io.kubernetes.cri-o.annotations.checkpoint.name': 'Web_1',
      'io.podman.annotations.checkpoint.name': 'Web_1',
      'io.podman.annotations.checkpoint.runtime.name': 'crun',
      'io.podman.annotations.checkpoint.rootfsImageName': 'box:1',
      'io.podman.annotations.checkpoint.rootfsImageID': 'abc',
    });
    const [layer] = manifest.layers;
    const plain = compression === 'gzip' ? gunzipSync(blob(layer)) : blob(layer);
    const config = JSON.parse(blob(manifest.config).toString()) as {
      rootfs: { diff_ids: string[] };
    };
    expect(config.rootfs.diff_ids).toEqual([`sha256:${sha256(plain)}`]);
    expect(plain.subarray(0, 11).toString()).toBe('config.dump');
  },
);

test.each([
  ['web', 'localhost/web:checkpoint'],
  ['K8S_web.1', 'localhost/k8s-web-1:checkpoint'],
  ['--', 'localhost/container:checkpoint'],
])('the image of %s is called %s', (name, reference) => {
  expect(referenceOf(name)).toBe(reference);
});
