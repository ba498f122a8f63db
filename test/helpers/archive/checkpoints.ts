import { createHash } from 'node:crypto';
import { type TarEntry, tar } from './tar-bytes.js';

/** A `pstree.img` with two tasks. */
export const pstree: Buffer = (() => {
  const image = Buffer.alloc(8);
  image.writeUInt32LE(0x54564319, 0);
  image.writeUInt32LE(0x50273030, 4);
  const task = (pid: number): Buffer => Buffer.from([2, 0, 0, 0, 0x08, pid]);
  return Buffer.concat([image, task(1), task(7)]);
})();

export const spec: Readonly<Record<string, unknown>> = {
  ociVersion: '1.0.2',
  hostname: 'box',
  root: { path: '/somewhere/merged' },
  process: { args: ['sleep', '1'] },
  annotations: { 'io.container.manager': 'libpod', 'org.example': 'kept' },
  mounts: [{ destination: '/proc', type: 'proc', source: 'proc' }],
  linux: { cgroupsPath: '/libpod_parent/libpod-0123', namespaces: [{ type: 'pid' }] },
};

export const config: Readonly<Record<string, unknown>> = {
  id: '0123456789abcdef'.repeat(4),
  name: 'web',
  rootfsImageName: 'docker.io/library/redis:7',
  runtime: 'runc',
  createdTime: '2026-01-02T03:04:05.123456789Z',
};

/** The images, flat. */
export const images: readonly TarEntry[] = [
  { name: 'inventory.img', content: 'inventory', mtime: 1_750_000_000 },
  { name: 'pstree.img', content: pstree },
  { name: 'pages-1.img', content: Buffer.alloc(700, 'p') },
  { name: 'libcriu-criu.json', content: '{"criu":"4.2.1"}' },
];

/** What podman writes, in its order. */
export const podmanMembers: readonly TarEntry[] = [
  { name: 'config.dump', content: JSON.stringify(config) },
  { name: 'spec.dump', content: JSON.stringify(spec) },
  { name: 'network.status', content: 'null' },
  { name: 'checkpoint/', type: '5', mode: 0o700 },
  ...images.map((image) => ({ ...image, name: `checkpoint/${String(image.name)}` })),
];

export const podmanArchive: Buffer = tar(...podmanMembers);

/** An image of the Open Container Initiative, as a directory has it: content by path. */
export function layout(blobs: readonly Blob[], index: unknown): Map<string, Buffer> {
  return new Map([
    ['oci-layout', Buffer.from('{"imageLayoutVersion":"1.0.0"}')],
    ['index.json', Buffer.from(JSON.stringify(index))],
    ...blobs.map(({ digest, content }) => [`blobs/sha256/${digest.slice(7)}`, content] as const),
  ]);
}

/** A blob with its digest. */
export interface Blob {
  digest: string;
  content: Buffer;
}

export function blobOf(content: Buffer | string): Blob {
  const bytes = Buffer.from(content);
  return { digest: `sha256:${createHash('sha256').update(bytes).digest('hex')}`, content: bytes };
}

/** What points to a blob. */
export function pointer(
  mediaType: string,
  { digest, content }: Blob,
): { mediaType: string; digest: string; size: number } {
  return { mediaType, digest, size: content.length };
}

/** An image with one layer, which is the archive. */
export function imageWith(
  layer: Buffer,
  type = 'application/vnd.oci.image.layer.v1.tar',
): Map<string, Buffer> {
  const blob = blobOf(layer);
  const settings = blobOf('{}');
  const manifest = blobOf(
    JSON.stringify({
      schemaVersion: 2,
      config: pointer('application/vnd.oci.image.config.v1+json', settings),
      layers: [pointer(type, blob)],
    }),
  );
  return layout([blob, settings, manifest], {
    schemaVersion: 2,
    manifests: [pointer('application/vnd.oci.image.manifest.v1+json', manifest)],
  });
}

/** What `ctr` exports of a checkpoint. */
export function containerdImage(changes?: Buffer): Map<string, Buffer> {
  const json = Buffer.from(JSON.stringify({ ...spec, linux: { cgroupsPath: '/default/web' } }));
  const url = Buffer.from('types.containerd.io/opencontainers/runtime-spec/1/Spec');
  const any = Buffer.concat([
    Buffer.from([0x0a, url.length]),
    url,
    Buffer.from([0x12]),
    varint(json.length),
    json,
  ]);
  const parts = [
    ['application/vnd.containerd.container.criu.checkpoint.criu.tar', blobOf(tar(...images))],
    ['application/vnd.containerd.container.checkpoint.config.v1+proto', blobOf(any)],
    ...(changes ? [['application/vnd.oci.image.layer.v1.tar+gzip', blobOf(changes)] as const] : []),
  ] as const;
  const inner = blobOf(
    JSON.stringify({
      schemaVersion: 2,
      manifests: parts.map(([type, blob]) => pointer(type, blob)),
    }),
  );
  return layout([inner, ...parts.map(([, blob]) => blob)], {
    schemaVersion: 2,
    manifests: [pointer('application/vnd.oci.image.index.v1+json', inner)],
  });
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  for (let rest = value; ; rest >>= 7) {
    if (rest < 0x80) return Buffer.from([...bytes, rest]);
    bytes.push((rest & 0x7f) | 0x80);
  }
}
