import { join } from 'node:path';
import { expect, test } from 'vitest';
import { checkpoint } from '../../helpers/api.js';
import {
  archivedLog,
  logAfter,
  logOf,
  startAppending,
  uniqueName,
} from '../../helpers/engines/appender.js';
import { type Podman, usePodman } from '../../helpers/engines/podman.js';
import { report } from '../../helpers/engines/report.js';
import { optionTest } from '../../helpers/option-test.js';
import { useScope } from '../../helpers/scope.js';
import { runOk } from '../../helpers/system/exec.js';

const scope = useScope();
let podman: Podman;
usePodman((started) => {
  podman = started;
});

const appending = (name: string, flags: readonly string[] = []): Promise<string> =>
  startAppending(podman, uniqueName(name), flags);

/** Waits until the container has gone on, and compares what it has written to its file. */
async function expectInStep(name: string, before: number): Promise<number> {
  const log = await logAfter(podman, name, before);
  expect(log).toEqual(log.map((_, index) => index + 1));
  return log.length;
}

test('podman restores a container that was left running, files and memory in step, every time', {
  timeout: 300_000,
}, async () => {
  const name = await appending('runs');
  const directory = await scope.directory();
  for (let round = 0; round < 5; round += 1) {
    const file = join(directory, `${round}.tar${round % 2 === 0 ? '' : '.gz'}`);
    const { warnings } = await checkpoint(name, { export: file, leaveRunning: true });
    expect(warnings).toEqual([]);
    const saved = await archivedLog(file, await scope.directory());
    const restored = uniqueName(`round-${round}`);
    await podman.restore(restored, '--import', file, '--name', restored);
    const after = await expectInStep(restored, saved);
    await report(podman, { way: 'archive', before: saved, after });
    await podman.remove(restored);
    // The one that it was made of runs on.
    await logAfter(podman, name, (await logOf(podman, name)).length);
  }
  await expectInStep(name, 0);
});

test('podman restores a container that has ended, with its volume, shared memory and changes', async () => {
  const volume = uniqueName('volume');
  const name = await appending('ends', ['--volume', `${volume}:/volume`]);
  await podman.call('exec', name, 'sh', '-c', 'echo kept >/volume/file');
  const file = join(await scope.directory(), 'web.tar.gz');
  const { containerId, warnings } = await checkpoint(name, { export: file });
  expect(warnings).toEqual([]);
  const saved = await archivedLog(file, await scope.directory());
  await podman.remove(name);
  await podman.call('volume', 'rm', volume);
  await podman.restore(name, '--import', file);
  await expectInStep(name, saved);
  const facts = await podman.call('inspect', '--format', '{{.Id}} {{.Config.Image}}', name);
  expect(facts).toContain(containerId);
  expect(await podman.call('exec', name, 'cat', '/dev/shm/file')).toBe('shared');
  expect(await podman.call('exec', name, 'cat', '/volume/file')).toBe('kept');
  const listed = await podman.call('exec', name, 'sh', '-c', 'echo /bin/* /made');
  expect(listed).toContain('/bin/cat ');
  expect(listed).toContain('/made');
  expect(listed).not.toContain('/bin/gone');
});

optionTest('format', 'podman restores the image of a container', async () => {
  const name = await appending('image');
  const file = join(await scope.directory(), 'web.oci');
  const saved = (await logOf(podman, name)).length;
  const { warnings } = await checkpoint(name, { export: file, format: 'oci-archive' });
  expect(warnings).toEqual([]);
  const before = (await podman.call('ps', '--all', '--format', '{{.Names}}')).split('\n');
  expect(before).toContain(name);
  await podman.remove(name);
  expect(await podman.call('load', '--input', file)).toContain(`localhost/${name}:checkpoint`);
  await podman.restore(name, `localhost/${name}:checkpoint`);
  const after = await expectInStep(name, saved);
  await report(podman, { way: 'OCI image', before: saved, after });
});

optionTest('ignoreVolumes', 'volumes are left out, and podman restores without them', async () => {
  const volume = uniqueName('left-out');
  const name = await appending('without', ['--volume', `${volume}:/volume`]);
  const directory = await scope.directory();
  const [whole, without] = [join(directory, 'whole.tar'), join(directory, 'without.tar')];
  const names = async (file: string): Promise<string> => runOk('tar', ['--list', '--file', file]);
  await checkpoint(name, { export: whole, leaveRunning: true });
  expect(await names(whole)).toContain(`volumes/${volume}.tar`);
  await checkpoint(name, { export: without, ignoreVolumes: true });
  expect(await names(without)).not.toContain('volumes');
  await podman.remove(name);
  await podman.restore(name, '--import', without, '--ignore-volumes');
  await expectInStep(name, 20);
});
