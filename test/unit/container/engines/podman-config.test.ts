import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { podmanConfig } from '../../../../lib/container/engines/podman.js';
import type { ContainerState } from '../../../../lib/container/state/container.js';
import { useScope } from '../../../helpers/scope.js';

const scope = useScope();
const fixtures = new URL('../../../fixtures/podman/', import.meta.url).pathname;

/** What podman says of a container, as far as it is looked at here. */
interface Config {
  id: string;
  name: string;
  labels?: { long: string };
  newNetworks?: Record<string, object>;
  newPortMappings?: { host_port: number; container_port: number }[];
}

const databases = [
  {
    version: 'podman 4',
    place: 'libpod/bolt_state.db',
    web: '199bf610ab25942bbfd99738d61cb24aaa99cee351941f3ac90278a1f7bee6d7',
    net: '9bbf5f199dd41b776b3b023899f04e17a1f0e478140c820ea6ec54d9789d32c7',
  },
  {
    version: 'podman 5',
    place: 'db.sql',
    web: '744f0f64ca09ad7b1ba555df12e592fc54106b9f1c70decff0d27aa88d50bab9',
    net: 'c8e4be4996c5a43bb6bb415b5050281365851b0595413446bf735d2c68d14855',
  },
] as const;

const recorded = (place: string): Buffer =>
  gunzipSync(
    readFileSync(join(fixtures, place === 'db.sql' ? 'several.sql.gz' : 'bolt_state.db.gz')),
  );

/** A storage of podman's with a database in it. */
async function storageWith(place: string, file: Buffer): Promise<string> {
  const storage = await scope.directory();
  mkdirSync(join(storage, 'libpod'));
  writeFileSync(join(storage, place), file);
  return storage;
}

async function readFrom(
  place: string,
  file: Buffer,
  id: string,
  name?: string,
): Promise<string | undefined> {
  return await readIn(await storageWith(place, file), id, name);
}

async function readIn(storage: string, id: string, name = 'web4'): Promise<string | undefined> {
  const bundle = join(storage, 'vfs-containers', id, 'userdata');
  return await podmanConfig({ id, bundle } as ContainerState, name);
}

describe.each(databases)('the configuration in the database of $version', ({ place, web, net }) => {
  test('is found for each container, also where it does not fit a page', async () => {
    const config = JSON.parse((await readFrom(place, recorded(place), web)) ?? '') as Config;
    expect(config).toMatchObject({ id: web, name: 'web4', labels: { long: 'x'.repeat(3000) } });
  });

  test('has the networks and ports', async () => {
    const config = JSON.parse((await readFrom(place, recorded(place), net, 'net')) ?? '') as Config;
    expect(config).toMatchObject({ id: net, name: 'net' });
    expect(Object.keys(config.newNetworks ?? {})).toEqual(['podman']);
    expect(config.newPortMappings).toMatchObject([{ host_port: 8080, container_port: 80 }]);
  });

  test('has texts beyond ASCII as podman wrote them', async () => {
    const file = recorded(place);
    const start = '"long":"';
    // Wherever the database has a copy of it.
    for (let at = file.indexOf(start); at >= 0; at = file.indexOf(start, at + 1)) {
      file.write('\u20ac', at + start.length);
    }
    const config = JSON.parse((await readFrom(place, file, web)) ?? '') as Config;
    expect(config.labels?.long).toMatch(/^\u20acx+$/);
    expect(Buffer.byteLength(config.labels?.long ?? '')).toBe(3000);
  });

  test('is none for a container that is not there', async () => {
    expect(await readFrom(place, recorded(place), '0'.repeat(64))).toBeUndefined();
  });

  test('is none where the file is cut off, or another', async () => {
    const file = recorded(place);
    for (const length of [0, 7, 50, 100, 4096, 5000]) {
      expect(await readFrom(place, file.subarray(0, length), web)).toBeUndefined();
    }
    expect(await readFrom(place, Buffer.alloc(file.length, 'x'), web)).toBeUndefined();
  });

  test('is whole or none, whatever bytes are broken', async () => {
    const file = recorded(place);
    for (let round = 0; round < 60; round += 1) {
      const broken = Buffer.from(file);
      // Where the structure of pages is, and not only their content.
      const page = (round * 7919) % (file.length / 4096);
      for (let at = 0; at < 40; at += 1) {
        broken.writeUInt8((round * 31 + at * 17) % 256, Math.floor(page) * 4096 + at);
      }
      const config = await readFrom(place, broken, web);
      if (config !== undefined) expect((JSON.parse(config) as Config).id).toBe(web);
    }
  });
});

describe('with several databases', () => {
  const [bolt, sqlite] = databases;

  test('the next one is read when the first has not the container', async () => {
    const storage = await storageWith(bolt.place, recorded(bolt.place));
    writeFileSync(join(storage, sqlite.place), recorded(sqlite.place));
    const config = JSON.parse((await readIn(storage, sqlite.web)) ?? '') as Config;
    expect(config).toMatchObject({ id: sqlite.web, name: 'web4' });
  });

  test('those behind the one that has the container are left alone', async () => {
    const storage = await storageWith(bolt.place, recorded(bolt.place));
    // Whoever reads it is refused.
    symlinkSync('nowhere', join(storage, 'libpod/db.sql'));
    const config = JSON.parse((await readIn(storage, bolt.web)) ?? '') as Config;
    expect(config).toMatchObject({ id: bolt.web, name: 'web4' });
    await expect(readIn(storage, sqlite.web)).rejects.toMatchObject({
      code: 'ERR_CONTAINER_CORRUPT',
    });
  });
});
