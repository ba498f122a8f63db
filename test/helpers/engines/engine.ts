import { createHash } from 'node:crypto';
import { copyFile, mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { environmentWithCriu } from '../paths.js';
import type { Scope } from '../scope.js';
import { runOk, until } from '../system/exec.js';

/** How a container is started. */
export interface EngineRun {
  name: string;
  /** Flags of the engine's `run`. */
  flags?: readonly string[];
  /** What it runs in the place of the counter. */
  program?: readonly string[];
  /** Its network, by default none. */
  network?: string;
}

/** A real engine with directories of its own. */
export interface Engine {
  /** Its name and version, and its runtime where it has a choice. */
  version: () => Promise<string>;
  /** The program that runs its containers. */
  runtime: string;
  /** Starts a container that writes an ascending number to `/count`. */
  start: (run: EngineRun) => Promise<void>;
  /** The number that the container has written last. */
  count: (name: string) => Promise<number>;
  /** What the engine says of the container's state. */
  status: (name: string) => Promise<string>;
  /** The network of a container that it can restore from there; the default is none. */
  networkInPlace?: string;
  /** Has the engine restore the checkpoint that is in its own place, if it has one. */
  restoreInPlace?: (name: string, checkpoint: string) => Promise<void>;
}

/** No container of a test may have higher limits than the machine lets it set. */
export const ulimits = ['nofile=1024:1024', 'nproc=1024:1024'] as const;
const limits = ulimits.flatMap((limit) => ['--ulimit', limit]);

/** Counts, as the program of a container. */
export const counter = [
  'sh',
  '-c',
  'i=0; while :; do i=$((i+1)); echo $i >/count.new; mv /count.new /count; sleep 0.02; done',
] as const;

export const image = 'libcriu-box:1';

/** An archive of a root file system with busybox, from which engines make an image. */
export async function boxArchive(scope: Scope): Promise<string> {
  const directory = await scope.directory();
  const bin = join(directory, 'rootfs/bin');
  await mkdir(bin, { recursive: true });
  await copyFile('/bin/busybox', join(bin, 'busybox'));
  for (const applet of ['sh', 'sleep', 'cat', 'mv', 'rm', 'mkdir'])
    await symlink('busybox', join(bin, applet));
  // For a container that removes a file of its image.
  await writeFile(join(bin, 'gone'), '');
  const archive = join(directory, 'box.tar');
  await runOk('tar', ['-C', join(directory, 'rootfs'), '-cf', archive, '.']);
  return archive;
}

/**
 * The same as an image of two layers, as docker saves one. The upper one has `/second`, and has removed
 * `/removed` of the lower one.
 *
 * @param name - That of the image.
 */
export async function boxImageArchive(scope: Scope, name: string = image): Promise<string> {
  const directory = await scope.directory();
  await copyFile(await boxArchive(scope), join(directory, 'layer1.tar'));
  for (const file of ['removed', 'second', '.wh.removed'])
    await writeFile(join(directory, file), '');
  const tar = (...args: string[]): Promise<string> => runOk('tar', ['-C', directory, ...args]);
  await tar('-rf', join(directory, 'layer1.tar'), 'removed');
  await tar('-cf', join(directory, 'layer2.tar'), 'second', '.wh.removed');
  const layers = ['layer1.tar', 'layer2.tar'];
  const contents = await Promise.all(layers.map((layer) => readFile(join(directory, layer))));
  const digests = contents.map((one) => createHash('sha256').update(one).digest('hex'));
  const config = {
    architecture: process.arch === 'arm64' ? 'arm64' : 'amd64',
    os: 'linux',
    config: { Env: ['PATH=/bin'] },
    rootfs: { type: 'layers', diff_ids: digests.map((digest) => `sha256:${digest}`) },
  };
  const manifest = [{ Config: 'config.json', RepoTags: [name], Layers: layers }];
  await writeFile(join(directory, 'config.json'), JSON.stringify(config));
  await writeFile(join(directory, 'manifest.json'), JSON.stringify(manifest));
  const archive = join(directory, 'image.tar');
  await tar('-cf', archive, ...layers, 'config.json', 'manifest.json');
  return archive;
}

/** The files of that image in a directory. */
export async function boxDirectory(scope: Scope): Promise<string> {
  const directory = await scope.directory();
  await runOk('tar', ['-C', directory, '-xf', await boxArchive(scope)]);
  return directory;
}

/** Runs an engine's command. An engine starts the criu that it finds in PATH. */
export async function call(command: string, args: readonly string[]): Promise<string> {
  return (await runOk(command, args, { env: environmentWithCriu() })).trim();
}

/** What docker and podman have in common: their commands have the same words. */
export function dockerLike(
  scope: Scope,
  command: (...args: string[]) => Promise<string>,
  remove: (name: string) => unknown,
): Pick<Engine, 'start' | 'count' | 'status'> {
  return {
    start: async ({ name, flags = [], program = counter, network = 'none' }) => {
      const about = ['--name', name, '--network', network, ...limits, ...flags];
      await command('run', '-d', ...about, image, ...program);
      scope.defer(() => remove(name));
    },
    count: async (name) => Number(await command('exec', name, 'cat', '/count')),
    status: (name) => command('ps', '-a', '--filter', `name=^${name}$`, '--format', '{{.Status}}'),
  };
}

/** Waits until a container has counted beyond a number. */
export async function countsBeyond(engine: Engine, name: string, number: number): Promise<number> {
  return await until(
    `${name} counts beyond ${number}`,
    async () => {
      const count = await engine.count(name).catch(() => 0);
      return count > number && count;
    },
    20_000,
  );
}
