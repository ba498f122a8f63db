import { chmodSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { containerdFacts, factsIn } from '../../../../lib/container/engines/containerd.js';
import type { ContainerState } from '../../../../lib/container/state/container.js';
import { failureOf } from '../../../helpers/rejection.js';
import { useScope } from '../../../helpers/scope.js';

const scope = useScope();
/** Of containerd 1.6, with two containers of an image; one was given another state root. */
const database = gunzipSync(
  readFileSync(new URL('../../../fixtures/containerd/meta.db.gz', import.meta.url)),
);
const box = { image: 'docker.io/library/libcriu-box:1', runtime: 'io.containerd.runc.v2' };

/** The digests of the image, of its configuration and of its only layer. */
const manifest = 'dc9d915bd07184d2377ee3d189a15751ef67aab2e2ac8c8e6cb11f6df449a1d9';
const config = '3e47eff1c261eea00ab641181042d66036fd5211477b5907653790fb1dadcdcd';
const layer = 'f1adebcda4985acd93050a5cc78a431fec19f2e3daa1415ea5e1fb2b26c843c5';

/** A container of a containerd whose database is the recorded one. */
async function container(
  id: string,
): Promise<{ state: ContainerState; file: string; content: string }> {
  const top = await scope.directory();
  const bundle = join(top, 'state/io.containerd.runtime.v2.task/ctrlab', id);
  const directory = join(top, 'root/io.containerd.metadata.v1.bolt');
  const content = join(top, 'root/io.containerd.content.v1.content/blobs/sha256');
  for (const path of [bundle, directory, content]) mkdirSync(path, { recursive: true });
  symlinkSync(join(top, 'root/io.containerd.runtime.v2.task/ctrlab', id), join(bundle, 'work'));
  const file = join(directory, 'meta.db');
  writeFileSync(file, database);
  writeFileSync(join(content, manifest), `{"config":{"digest":"sha256:${config}"}}`);
  writeFileSync(
    join(content, config),
    `{"rootfs":{"type":"layers","diff_ids":["sha256:${layer}"]}}`,
  );
  return { content, state: { id, bundle } as ContainerState, file };
}

test('the database of containerd tells the image, the snapshotter and the runtime', async () => {
  const { state } = await container('web');
  const facts = await containerdFacts(state);
  expect(facts).toMatchObject({ ...box, snapshotter: 'overlayfs', imageId: config });
});

test('the id of the image is that of the one that is below the files of the container', async () => {
  const { state, content } = await container('web');
  const other = { rootfs: { type: 'layers', diff_ids: [`sha256:${'b'.repeat(64)}`] } };
  writeFileSync(join(content, config), JSON.stringify(other));
  expect(await containerdFacts(state)).toMatchObject({ ...box, imageId: undefined });
  rmSync(join(content, config));
  expect(await containerdFacts(state)).toMatchObject({ ...box, imageId: undefined });
});

test('and what the runtime was told', () => {
  const facts = factsIn(database, 'ctrlab', 'other');
  expect(facts).toMatchObject({ ...box, snapshotter: 'native' });
  expect(facts?.runtimeOptions?.toString('latin1')).toContain('containerd.runc.v1.Options');
  expect(facts?.runtimeOptions?.toString('latin1')).toContain('/run/ctrlab-runc');
});

test('a container that is not in it, or in another namespace, is not known', () => {
  expect(factsIn(database, 'ctrlab', 'none')).toBeUndefined();
  expect(factsIn(database, 'default', 'web')).toBeUndefined();
});

test('a bundle that leads elsewhere, or nowhere, tells nothing', async () => {
  const { state } = await container('web');
  expect(await containerdFacts({ ...state, id: 'other' })).toBeUndefined();
  expect(await containerdFacts({ ...state, bundle: `${state.bundle}-2` })).toBeUndefined();
});

test('a database that others can write is refused', async () => {
  const { state, file } = await container('web');
  chmodSync(file, 0o666);
  expect(await failureOf(containerdFacts(state))).toMatchObject({ code: 'ERR_UNTRUSTED_PATH' });
});

test('one that is broken tells nothing, or all', () => {
  for (let round = 0; round < 200; round += 1) {
    const broken = Buffer.from(database);
    const page = (round * 7919) % (database.length / 4096);
    for (let at = 0; at < 40; at += 1) {
      broken.writeUInt8((round * 31 + at * 17) % 256, page * 4096 + at);
    }
    const facts = factsIn(broken, 'ctrlab', 'web');
    if (facts?.image) expect(facts).toMatchObject(box);
  }
  for (const length of [0, 7, 50, 4096, 5000]) {
    expect(factsIn(database.subarray(0, length), 'ctrlab', 'web')).toBeUndefined();
  }
});
