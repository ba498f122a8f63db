import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { findContainer } from '../../../lib/container/find.js';
import {
  checkpoint,
  openCheckpoint,
  type RestoreContainerOptions,
  type RestoreContainerResult,
  restoreContainer,
} from '../../helpers/api.js';
import { startDocker } from '../../helpers/engines/docker.js';
import { boxDirectory, countsBeyond } from '../../helpers/engines/engine.js';
import { type Podman, startPodman } from '../../helpers/engines/podman.js';
import { requireNeeds } from '../../helpers/needs.js';
import { optionTest } from '../../helpers/option-test.js';
import { distCli, environmentWithCriu } from '../../helpers/paths.js';
import { failureOf, rejection } from '../../helpers/rejection.js';
import { Scope, useScope } from '../../helpers/scope.js';
import { run, runOk, until } from '../../helpers/system/exec.js';

const scope = useScope();
const shared = new Scope();
afterAll(() => shared.close());

let podman: Podman;
/** The files of the image, as `podman image mount` has them. */
let rootfs: string;

beforeAll(async () => {
  requireNeeds('root', 'criu', 'libcriu', 'build', 'busybox', 'runc', 'podman', 'docker', 'ip');
  podman = await startPodman(shared);
  rootfs = await boxDirectory(shared);
}, 120_000);

const unique = (name: string): string => `libcriu-${process.pid}-${name}`;

/** A container of podman that is archived. */
interface Archived {
  start?: readonly string[];
  network?: string;
  /** What is run in it before, by its shell. */
  script?: string;
  checkpoint?: readonly string[];
}

/** An archive of podman, of a container that has ended, and what that had counted to. */
async function archived(
  name: string,
  { start = [], network = 'none', script, checkpoint: flags = [] }: Archived = {},
): Promise<{ file: string; count: number }> {
  const container = unique(name);
  await podman.start({ name: container, flags: start, network });
  const count = await countsBeyond(podman, container, 5);
  if (script !== undefined) await podman.exec(container, 'sh', '-c', script);
  const file = join(await scope.directory(), `${name}.tar`);
  await podman.archive(container, file, flags);
  return { file, count };
}

/** What a restored container has counted to; 0 at the moment in which it writes. */
function countIn(bundle: string): number {
  try {
    return Number(readFileSync(join(bundle, 'rootfs/count'), 'utf8').trim());
  } catch {
    return 0;
  }
}

/** Waits until a container has gone on from where it was. */
async function countsOn(bundle: string, from: number): Promise<void> {
  await until('it counts on', () => countIn(bundle) > from, 20_000);
}

/** A place for a container that is restored, which is deleted at the end of the test. */
async function place(
  id: string,
): Promise<{ stateRoot: string; bundle: string; directory: string }> {
  const directory = await scope.directory();
  const stateRoot = join(directory, 'state');
  scope.defer(() => run('runc', ['--root', stateRoot, 'delete', '--force', id]));
  return { directory, stateRoot, bundle: join(directory, 'bundle') };
}

async function restored(
  id: string,
  options: RestoreContainerOptions,
): Promise<RestoreContainerResult> {
  const { stateRoot, bundle } = await place(id);
  return await restoreContainer(id, { stateRoot, bundle, rootfs, ...options });
}

/** The directories of shared memory that we have made. */
const shmDirectories = (): string[] =>
  readdirSync('/dev/shm').filter((name) => name.startsWith('libcriu-shm-'));

describe("podman's archive", () => {
  test.each(['none', 'gzip', 'zstd'])(
    'compressed by %s is restored and counts on',
    async (kind) => {
      const { file, count } = await archived(kind, { checkpoint: ['--compress', kind] });
      const opened = await openCheckpoint(file);
      expect(opened.info).toMatchObject({
        engine: 'podman',
        format: 'podman',
        compression: kind,
        name: unique(kind),
        runtime: 'runc',
        hasSpec: true,
        hasRootfsChanges: true,
      });
      expect(opened.info.processes).toBeGreaterThan(0);
      await opened.close();
      const { bundle, warnings } = await restored(unique(`new-${kind}`), { from: file });
      expect(warnings).toEqual([]);
      await countsOn(bundle, count);
    },
  );

  optionTest(
    ['from', 'rootfs'],
    'are restored twice, side by side, and the image stays',
    async () => {
      const { file, count } = await archived('twice');
      const first = await restored(unique('first'), { from: file });
      const second = await restored(unique('second'), { from: file });
      await countsOn(first.bundle, count);
      await countsOn(second.bundle, count);
      expect(first.pid).not.toBe(second.pid);
      expect(existsSync(join(rootfs, 'count'))).toBe(false);
    },
  );

  test('is inspected and restored by the command', async () => {
    const { file, count } = await archived('command');
    const table = await runOk(process.execPath, [distCli, 'inspect', file]);
    expect(table).toMatch(new RegExp(`^Engine: +podman\nName: +${unique('command')}\n`));
    const json = JSON.parse(
      await runOk(process.execPath, [distCli, 'inspect', '--json', file]),
    ) as object;
    expect(json).toMatchObject({ engine: 'podman', path: file, compression: 'zstd' });
    const id = unique('by-command');
    const { stateRoot, bundle } = await place(id);
    const args = ['--root', stateRoot, 'restore', '--from', file, '--rootfs', rootfs];
    const pid = await runOk(process.execPath, [distCli, ...args, '--bundle', bundle, id], {
      env: environmentWithCriu(),
    });
    expect(existsSync(`/proc/${pid.trim()}`)).toBe(true);
    await countsOn(bundle, count);
  });

  test('leaves nothing behind when the command is interrupted', async () => {
    const { file } = await archived('interrupted');
    const id = unique('is-interrupted');
    const { stateRoot, bundle, directory } = await place(id);
    const args = ['--root', stateRoot, 'restore', '--from', file, '--rootfs', rootfs];
    const child = spawn(process.execPath, [distCli, ...args, '--bundle', bundle, id], {
      env: environmentWithCriu(),
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    const said = text(child.stderr);
    await until('it has begun', () => existsSync(bundle), 20_000);
    child.kill('SIGINT');
    await once(child, 'exit');
    expect(child.exitCode).toBe(1);
    expect(await said).toMatch(/was given up at SIGINT, and nothing of it is left/);
    expect(readdirSync(directory).filter((name) => name !== 'state')).toEqual([]);
    expect(existsSync(join(stateRoot, id))).toBe(false);
  });

  optionTest('volumes', 'are mounted in place of those that were', async () => {
    const data = await scope.directory();
    writeFileSync(join(data, 'said'), 'before');
    const { file, count } = await archived('volumes', { start: ['--volume', `${data}:/data`] });
    const id = unique('with-volume');
    const other = await scope.directory();
    writeFileSync(join(other, 'said'), 'after');
    const { stateRoot, bundle } = await place(id);
    const options = { from: file, stateRoot, bundle, rootfs };
    await restoreContainer(id, { ...options, volumes: [`${other}:/data`] });
    await countsOn(bundle, count);
    expect(await runOk('runc', ['--root', stateRoot, 'exec', id, 'cat', '/data/said'])).toBe(
      'after',
    );
    await expect(
      restoreContainer(`${id}-2`, {
        ...options,
        bundle: `${bundle}2`,
        volumes: [`${other}:/nowhere`],
      }),
    ).rejects.toThrow(/it has .*\/data/);
    expect(existsSync(`${bundle}2`)).toBe(false);
  });

  test('brings what it had changed, its volumes and its shared memory', async () => {
    const { file, count } = await archived('content', {
      start: ['--volume', `${unique('volume')}:/data`],
      script: `busybox rm /bin/cat && busybox mkfifo -m 640 /pipe && busybox ln -s /etc/shadow /link &&
        busybox mkdir -p /new/deep && echo new > /new/deep/file && busybox ln /new/deep/file /hard &&
        busybox chmod 4711 /hard && echo shared > /dev/shm/a && echo volume > /data/b`,
    });
    const id = unique('with-content');
    const { stateRoot, bundle } = await place(id);
    const before = shmDirectories();
    await restoreContainer(id, { from: file, stateRoot, bundle, rootfs });
    await countsOn(bundle, count);
    const root = join(bundle, 'rootfs');
    expect(existsSync(join(root, 'bin/cat'))).toBe(false);
    expect(existsSync(join(rootfs, 'bin/cat'))).toBe(true);
    expect(statSync(join(root, 'pipe')).isFIFO()).toBe(true);
    expect(statSync(join(root, 'pipe')).mode & 0o777).toBe(0o640);
    expect(readlinkSync(join(root, 'link'))).toBe('/etc/shadow');
    expect(readFileSync(join(root, 'new/deep/file'), 'utf8')).toBe('new\n');
    expect(statSync(join(root, 'hard')).mode & 0o7777).toBe(0o4711);
    const inContainer = (script: string): Promise<string> =>
      runOk('runc', ['--root', stateRoot, 'exec', id, 'sh', '-c', script]);
    expect(await inContainer('busybox cat /dev/shm/a /data/b /etc/hostname')).toMatch(
      /^shared\nvolume\n[0-9a-f]{12}\n$/,
    );
    await runOk('runc', ['--root', stateRoot, 'delete', '--force', id]);
    expect(shmDirectories()).toEqual(before);
  });

  optionTest(['maxEntries', 'maxBytes', 'maxRatio'], 'bound what is unpacked', async () => {
    const { file } = await archived('limits');
    for (const limit of ['maxEntries', 'maxBytes'] as const) {
      const id = unique(limit);
      const { stateRoot, bundle, directory } = await place(id);
      const options = { from: file, stateRoot, bundle, rootfs, [limit]: 3 };
      const error = await failureOf(restoreContainer(id, options));
      expect(error).toMatchObject({
        code: 'ERR_CHECKPOINT_ARCHIVE',
        operation: 'restoreContainer',
      });
      expect(error.message).toContain(limit);
      expect(readdirSync(directory)).toEqual([]);
    }
    // A ratio counts only from 256 MiB on.
    const { bundle } = await restored(unique('ratio'), { from: file, maxRatio: 1 });
    await countsOn(bundle, 0);
  });

  test('leaves nothing behind when it cannot be restored', async () => {
    const { file } = await archived('fails');
    const id = unique('fails-again');
    const { stateRoot, bundle, directory } = await place(id);
    const before = shmDirectories();
    // Without its shell there is nothing to map.
    const empty = await scope.directory();
    const options = { from: file, stateRoot, bundle, rootfs: empty };
    const error = await failureOf(restoreContainer(id, options));
    expect(error.code).toBe('ERR_RUNTIME_FAILED');
    expect(error.message).toMatch(/busybox/);
    expect(readdirSync(directory).filter((name) => name !== 'state')).toEqual([]);
    expect(existsSync(join(stateRoot, id))).toBe(false);
    expect(shmDirectories()).toEqual(before);
    await restoreContainer(id, { ...options, rootfs });
    await countsOn(bundle, 0);
  });

  test.each([0, 30, 150, 400])(
    'leaves nothing behind when it is given up after %i ms',
    async (timeMs) => {
      const { file } = await archived(`aborted-${timeMs}`);
      const id = unique(`given-up-${timeMs}`);
      const { stateRoot, bundle, directory } = await place(id);
      const before = shmDirectories();
      const controller = new AbortController();
      setTimeout(() => controller.abort(), timeMs);
      const options = { from: file, stateRoot, bundle, rootfs, signal: controller.signal };
      const outcome = await restoreContainer(id, options).then(
        () => 'restored',
        (error: NodeJS.ErrnoException) => error.code,
      );
      if (outcome === 'restored') return await countsOn(bundle, 0);
      expect(outcome).toBe('ABORT_ERR');
      expect(readdirSync(directory).filter((name) => name !== 'state')).toEqual([]);
      expect(shmDirectories()).toEqual(before);
    },
  );

  test('is refused without a root file system, and with what contradicts it', async () => {
    const { file } = await archived('refused');
    const id = unique('refused-2');
    const { stateRoot, bundle, directory } = await place(id);
    const error = await rejection(restoreContainer(id, { from: file, stateRoot, bundle }));
    expect(error).toMatchObject({ code: 'ERR_INVALID_ARG_VALUE', options: ['from', 'rootfs'] });
    expect(error.message).toContain('libcriu-box:1');
    for (const more of [{ imagePath: '/x' }, { lazyPages: true }]) {
      await expect(restoreContainer(id, { from: file, ...more })).rejects.toThrow(
        /exclude each other/,
      );
    }
    await expect(restoreContainer(id, { rootfs })).rejects.toThrow(/needs from/);
    expect(readdirSync(directory)).toEqual([]);
  });

  test('of a network that is gone is restored in one that is given', async () => {
    const netns = unique('net');
    await runOk('ip', ['netns', 'add', netns]);
    shared.defer(() => run('ip', ['netns', 'delete', netns]));
    const { file, count } = await archived('net', {
      network: `ns:/run/netns/${netns}`,
    });
    await runOk('ip', ['netns', 'delete', netns]);
    const id = unique('in-net');
    const options = { from: file, rootfs };
    const error = await rejection(restored(id, options));
    expect(error).toMatchObject({ code: 'ERR_INVALID_ARG_VALUE', options: ['from', 'joinNs'] });
    await runOk('ip', ['netns', 'add', netns]);
    const joinNs = [{ type: 'net', path: `/run/netns/${netns}` }] as const;
    const { bundle } = await restored(id, { ...options, joinNs });
    await countsOn(bundle, count);
  });
});

describe("docker's checkpoint", () => {
  test('is opened, and is restored by runc with the bundle of the container', async () => {
    const docker = await startDocker(scope);
    const name = unique('docker');
    await docker.start({ name });
    await countsBeyond(docker, name, 5);
    // docker removes the bundle when the container has ended.
    const { bundle: its, rootfs: root, id } = await findContainer(name);
    const config = JSON.parse(readFileSync(join(its, 'config.json'), 'utf8')) as object;
    const { imagePath } = await checkpoint(`docker:${name}`, { inEngine: 'one' });
    await using opened = await openCheckpoint(imagePath);
    expect(opened.info).toMatchObject({
      engine: 'docker',
      format: 'images',
      id,
      name,
      image: 'libcriu-box:1',
      hasSpec: false,
    });
    const images = await opened.extract(join(await scope.directory(), 'images'));
    expect(readdirSync(images)).toContain('inventory.img');
    const { stateRoot, bundle } = await place(name);
    const options = { from: imagePath, stateRoot, bundle };
    const error = await rejection(restoreContainer(name, options));
    expect(error.message).toMatch(/config.json for bundle.*has the images alone/);
    mkdirSync(bundle);
    // The hooks are for docker's network.
    writeFileSync(join(bundle, 'config.json'), JSON.stringify({ ...config, hooks: {} }));
    const count = (): number => Number(readFileSync(join(root, 'count'), 'utf8').trim());
    const before = await until('it has written', () => count() || false, 5_000);
    await restoreContainer(name, options);
    await until('it counts on', () => existsSync(join(root, 'count')) && count() > before, 20_000);
  });
});
