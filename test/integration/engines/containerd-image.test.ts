import { existsSync } from 'node:fs';
import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { findContainer } from '../../../lib/container/find.js';
import { checkpoint, exportCheckpoint, openCheckpoint } from '../../helpers/api.js';
import {
  type Containerd,
  containerdImage,
  startContainerd,
} from '../../helpers/engines/containerd.js';
import { countsBeyond } from '../../helpers/engines/engine.js';
import { report } from '../../helpers/engines/report.js';
import { requireNeeds } from '../../helpers/needs.js';
import { optionTest } from '../../helpers/option-test.js';
import { failureOf, rejection } from '../../helpers/rejection.js';
import { Scope, useScope } from '../../helpers/scope.js';

const scope = useScope();
const shared = new Scope();
let containerd: Containerd;
beforeAll(async () => {
  requireNeeds('root', 'criu', 'libcriu', 'build', 'busybox', 'containerd');
  containerd = await startContainerd(shared);
  return () => shared.close();
}, 120_000);

/** Appends ascending numbers to /log, and changes the image. */
const appender = [
  'sh',
  '-c',
  'rm /bin/mv; mkdir /made; i=0; while :; do i=$((i+1)); echo $i >>/log; sleep 0.01; done',
] as const;

const uniqueName = (name: string): string => `libcriu-${process.pid}-${name}`;

/** The name of the image of a checkpoint. */
const imageOf = (name: string): string => `localhost/${name}:checkpoint`;

/** The numbers in the log of a container. */
async function logOf(name: string): Promise<number[]> {
  return (await containerd.exec(name, 'cat', '/log')).split('\n').map(Number);
}

const logBeyond = (name: string, number: number): Promise<number> =>
  countsBeyond({ ...containerd, count: async (one) => (await logOf(one)).length }, name, number);

async function appending(name: string, flags: readonly string[] = []): Promise<string> {
  const unique = uniqueName(name);
  await containerd.startOfImage({ name: unique, flags, program: appender });
  await logBeyond(unique, 20);
  return unique;
}

/** A file that was ahead of the memory would have a number twice; one behind it would lack one. */
async function expectInStep(name: string, before: number): Promise<number> {
  await logBeyond(name, before + 3);
  const log = await logOf(name);
  expect(log).toEqual(log.map((_, index) => index + 1));
  return log.length;
}

optionTest(
  'format',
  'containerd restores a container that was left running, two side by side',
  async () => {
    const name = await appending('runs');
    const file = join(await scope.directory(), 'web.tar');
    const saved = (await logOf(name)).length;
    const options = { export: file, format: 'containerd', leaveRunning: true } as const;
    const { warnings } = await checkpoint(`containerd:${name}`, options);
    expect(warnings).toEqual([]);
    await containerd.call('images', 'import', file);
    const copies = ['one', 'two'].map(uniqueName);
    for (const copy of copies) await containerd.restore(copy, imageOf(name));
    for (const copy of copies) {
      const after = await expectInStep(copy, saved);
      await report(containerd, { way: 'OCI image', before: saved, after });
      const listed = await containerd.exec(copy, 'sh', '-c', 'echo /bin/* /made');
      expect(listed).toContain('/bin/cat ');
      expect(listed).toContain('/made');
      expect(listed).not.toContain('/bin/mv');
      await containerd.remove(copy);
    }
    // The one that it was made of runs on.
    await expectInStep(name, (await logOf(name)).length);
  },
);

test('containerd restores a container that has ended, under its name, as its runtime was told', async () => {
  const stateRoot = await scope.directory();
  const name = await appending('ends', ['--runc-root', stateRoot]);
  const file = join(await scope.directory(), 'web.tar');
  const saved = (await logOf(name)).length;
  await checkpoint(name, { export: file, format: 'containerd' });
  await containerd.remove(name);
  await using opened = await openCheckpoint(file);
  expect(opened.info).toMatchObject({
    engine: 'containerd',
    format: 'containerd',
    name,
    image: containerdImage,
    hasSpec: true,
    hasRootfsChanges: true,
  });
  await containerd.call('images', 'import', file);
  await containerd.restore(name, imageOf(name));
  await expectInStep(name, saved);
  expect(existsSync(join(stateRoot, `libcriu-${process.pid}`, name))).toBe(true);
  await containerd.remove(name);
});

test('containerd restores images that were there, of a container that is gone', async () => {
  const name = uniqueName('exported');
  const program = ['sh', '-c', 'while :; do sleep 0.05; done'];
  await containerd.startOfImage({ name, program });
  const directory = await scope.directory();
  const [imagePath, file] = [join(directory, 'images'), join(directory, 'web.tar')];
  const { bundle } = await findContainer(name);
  await copyFile(join(bundle, 'config.json'), join(directory, 'config.json'));
  await checkpoint(name, { imagePath });
  await containerd.remove(name);
  const options = { bundle: directory, name, format: 'containerd' } as const;
  const error = await rejection(exportCheckpoint(imagePath, file, options));
  expect(error).toMatchObject({ code: 'ERR_INVALID_ARG_VALUE', options: ['format', 'image'] });
  await exportCheckpoint(imagePath, file, { ...options, image: containerdImage });
  await containerd.call('images', 'import', file);
  scope.defer(() => containerd.remove(name));
  await containerd.call('containers', 'restore', '--live', name, imageOf(name));
  expect(await containerd.status(name)).toBe('RUNNING');
});

test('a container without an image is refused and runs on', async () => {
  const name = uniqueName('without');
  await containerd.start({ name });
  await countsBeyond(containerd, name, 3);
  const file = join(await scope.directory(), 'web.tar');
  const error = await failureOf(checkpoint(name, { export: file, format: 'containerd' }));
  expect(error.code).toBe('ERR_CONTAINER_STATE');
  expect(error.message).toMatch(/does not tell of what image it was made/);
  await countsBeyond(containerd, name, await containerd.count(name));
});
