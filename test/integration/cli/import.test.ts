import { existsSync, readdirSync, statSync, truncateSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { requireNeeds } from '../../helpers/needs.js';
import { distCli } from '../../helpers/paths.js';
import { useScope } from '../../helpers/scope.js';
import { type Outcome, run } from '../../helpers/system/exec.js';
import { type Container, startContainer } from '../../helpers/workloads/container.js';

const scope = useScope();
beforeAll(() => requireNeeds('root', 'criu', 'libcriu', 'build', 'runc', 'busybox'));

const libcriu = (...args: string[]): Promise<Outcome> => run(process.execPath, [distCli, ...args]);
const silence = { code: 0, stdout: '', stderr: '' };

/** The archive of a container that has ended. */
async function exported(name: string, ...flags: string[]): Promise<[Container, string]> {
  const container = await startContainer(scope);
  const [images, file] = [container.path('images'), container.path(name)];
  const root = ['--root', container.stateRoot];
  await libcriu(...root, 'checkpoint', '--image-path', images, container.id);
  const from = ['--bundle', container.bundle, images];
  expect(await libcriu('export', ...flags, ...from, file)).toMatchObject({ code: 0 });
  return [container, file];
}

test.each([['web.tar'], ['web.tar.gz'], ['web.oci', '--format', 'oci-archive']])(
  'import unpacks %s %s %s for runc restore',
  async (name, ...flags) => {
    const [container, file] = await exported(name, ...flags);
    const directory = container.path('unpacked');
    expect(await libcriu('import', file, directory)).toMatchObject(silence);
    expect(readdirSync(directory)).toEqual(
      expect.arrayContaining(['checkpoint', 'config.dump', 'spec.dump']),
    );
    await container.restore(join(directory, 'checkpoint'));
    await container.countsOn();
  },
);

test('import tells with --json what it has unpacked, and export takes that again', async () => {
  const [container, file] = await exported('web.tar');
  const directory = container.path('unpacked');
  const { code, stdout } = await libcriu('import', '--json', file, directory);
  expect(code).toBe(0);
  const images = join(directory, 'checkpoint');
  expect(JSON.parse(stdout)).toMatchObject({
    imagePath: images,
    info: { path: file, format: 'podman', name: container.id, hasSpec: true },
    durationMs: expect.any(Number) as number,
  });
  const again = container.path('again.tar');
  const outcome = await libcriu('export', '--bundle', container.bundle, images, again);
  expect(outcome.code).toBe(0);
  expect(statSync(again).size).toBeGreaterThan(0);
});

test('import refuses what is not whole or too much, and leaves nothing of it', async () => {
  const [container, file] = await exported('web.tar');
  const directory = container.path('unpacked');
  const refused = async (says: RegExp, ...args: string[]): Promise<void> => {
    const { code, stdout, stderr } = await libcriu('import', ...args);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(says);
    expect(stderr.trim().split('\n')).toHaveLength(1);
    expect(existsSync(directory)).toBe(false);
  };
  await refused(/--max-entries/, '--max-entries', '0', file, directory);
  await refused(/more than 3 members/, '--max-entries', '3', file, directory);
  await refused(/<file> but received '\/nowhere\/at\/all'/, '/nowhere/at/all', directory);
  await refused(/for import but received 1/, file);
  truncateSync(file, statSync(file).size - 20_000);
  await refused(/Cannot use the checkpoint/, file, directory);
  // Nor is anything written to what holds something.
  const [, whole] = await exported('whole.tar');
  await mkdir(container.path('full'));
  await writeFile(container.path('full/precious'), '');
  const { code, stderr } = await libcriu('import', whole, container.path('full'));
  expect(code).toBe(1);
  expect(stderr).toMatch(/Expected an empty directory.* for <directory> but received/);
  expect(readdirSync(container.path('full'))).toEqual(['precious']);
});
