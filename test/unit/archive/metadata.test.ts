import { expect, test } from 'vitest';
import { makeMetadata } from '../../../lib/archive/metadata-of.js';
import { qualifiedName } from '../../../lib/container/engines/docker.js';

test.each([
  ['redis', 'docker.io/library/redis:latest'],
  ['redis:7', 'docker.io/library/redis:7'],
  ['me/app', 'docker.io/me/app:latest'],
  ['localhost/app:1', 'localhost/app:1'],
  ['registry:5000/app', 'registry:5000/app:latest'],
  ['quay.io/a/b@sha256:0123', 'quay.io/a/b@sha256:0123'],
  ['a'.repeat(64), 'a'.repeat(64)],
])('the image %s of docker is known to others as %s', (image, name) => {
  expect(qualifiedName(image)).toBe(name);
});

const known = { name: 'web', runtime: 'runc', created: new Date(1_700_000_000_123), spec: '{}' };

test('a container of a runtime alone gets an id that podman takes', () => {
  const { config, status } = makeMetadata({ ...known, id: 'web' });
  const { id, ...rest } = JSON.parse(config) as Record<string, unknown>;
  expect(id).toMatch(/^[0-9a-f]{64}$/);
  expect(rest).toEqual({
    name: 'web',
    runtime: 'runc',
    createdTime: '2023-11-14T22:13:20.123Z',
    checkpointedTime: expect.any(String) as string,
  });
  // Go reads a number of nanoseconds only where it is written without an exponent.
  expect(status).toContain('"created_at": 1700000000123000000,');
  expect(JSON.parse(status)).toMatchObject({ id, metadata: { name: 'web' }, state: 1 });
});

test('image and volumes are named in the words of podman', () => {
  const volumes = [{ volumeName: 'data', dest: '/data', source: '/var/lib/data' }];
  const id = 'a'.repeat(64);
  const { config } = makeMetadata({
    ...known,
    id,
    engine: 'docker',
    image: 'box:1',
    imageId: 'b',
    volumes,
  });
  expect(JSON.parse(config)).toMatchObject({
    id,
    engine: 'docker',
    rootfsImageName: 'box:1',
    rootfsImageRef: 'box:1',
    rootfsImageID: 'b',
    namedVolumes: [{ volumeName: 'data', dest: '/data' }],
  });
});
