import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { runtimeEnvironment } from '../../../lib/criu/runtime-environment.js';
import {
  Criu,
  checkpoint,
  type RestoreContainerOptions,
  restoreContainer,
} from '../../helpers/api.js';
import { requireNeeds } from '../../helpers/needs.js';
import { optionTest } from '../../helpers/option-test.js';
import { criuBinary, environmentWithCriu, nativeDirectory } from '../../helpers/paths.js';
import { useScope } from '../../helpers/scope.js';
import { run, until } from '../../helpers/system/exec.js';
import { describeTree } from '../../helpers/tar-trees.js';
import { type Container, startContainer } from '../../helpers/workloads/container.js';

const scope = useScope();
beforeAll(() => requireNeeds('root', 'criu', 'libcriu', 'runc', 'busybox', 'gcc', 'strace'));

/** Files in a tmpfs, of which each shows something else that an archive keeps. */
const files = [
  'mkdir -p /dev/shm/a/b',
  'echo kept >/dev/shm/a/b/c',
  'ln -s c /dev/shm/a/b/d',
  'ln /dev/shm/a/b/c /dev/shm/a/e',
  'busybox chmod 4751 /dev/shm/a/b/c',
  'busybox mkfifo /dev/shm/f',
  'busybox touch -d @1000000000 /dev/shm/a/b',
].join('; ');
const sparse = 'busybox dd if=/dev/zero of=/dev/shm/sparse bs=1 seek=1000000 count=1';

async function start(...commands: string[]): Promise<Container> {
  const script = [...commands, 'exec /workload /ready idle'].join('; ');
  const container = await startContainer(scope, {
    args: ['/bin/sh', '-c', `PATH=/bin; ${script}`],
  });
  await until('the files are there', () => existsSync(join(container.rootfs, 'ready')));
  return container;
}

/** A criu that writes down how it is started, and what is preloaded into it. */
async function recording(): Promise<{ criu: Criu; calls: () => string[] }> {
  const directory = await scope.directory();
  const log = join(directory, 'calls');
  const binary = join(directory, 'criu');
  const script = `#!/bin/bash -p
library=$(grep -o 'criu_[a-z_]*[.]so$' /proc/$$/maps | sort -u | tr '\\n' ' ')
echo "$* $library $(compgen -v LIBCRIU_FRONT)" >>"${log}"
exec "${criuBinary}" "$@"
`;
  writeFileSync(binary, script, { mode: 0o755 });
  const calls = (): string[] =>
    existsSync(log) ? readFileSync(log, 'utf8').trim().split(/ *\n/) : [];
  return { criu: new Criu({ binary, workers: 0 }), calls };
}

/** Dumps and restores it, and gives what criu was started for meanwhile. */
async function restored(
  container: Container,
  options: RestoreContainerOptions = {},
): Promise<string[]> {
  const { id, stateRoot, bundle } = container;
  const imagePath = container.path('images');
  await checkpoint(id, { stateRoot, imagePath, existing: 'replace' });
  const { criu, calls } = await recording();
  await criu.version();
  const before = calls().length;
  await restoreContainer(id, { stateRoot, bundle, imagePath, criu, ...options });
  return calls().slice(before);
}

/** All that an archive keeps of what is in a tmpfs of the container, by path. */
function trees({ pid }: Container): object {
  const devices = [...describeTree(`/proc/${pid}/root/dev`)]
    // What is mounted below has an archive of its own, or none, and its own numbers of files.
    .filter(([name]) => !/^\/(?:shm|pts|mqueue|console)(?:\/|$)/.test(name))
    .map(([name, file]) => [name, { ...file, sameAs: undefined }]);
  return { devices, shared: describeTree(`/proc/${pid}/root/dev/shm`) };
}

test('restoreContainer has criu started once, with what we preload', async () => {
  const container = await start(files);
  expect(await restored(container)).toEqual(['swrk 3 criu_tar_in_place.so']);
});

optionTest('tar', "native makes the files that the system's tar makes", async () => {
  const container = await start(files);
  const before = trees(container);
  expect(await restored(container, { tar: 'native' })).toHaveLength(1);
  expect(trees(container)).toEqual(before);
  expect(await restored(container, { tar: 'system' })).toEqual(['swrk 3']);
  expect(trees(container)).toEqual(before);
});

test("what ours cannot do is left to the system's tar", async () => {
  const container = await start(files, sparse);
  const before = trees(container);
  await restored(container);
  expect(trees(container)).toEqual(before);
});

describe('the program before criu', () => {
  const answer = async (env: NodeJS.ProcessEnv): Promise<string | undefined> => {
    const container = await start();
    const { id, stateRoot, bundle } = container;
    await container.remove();
    const empty = container.path('empty');
    await mkdir(empty);
    const trace = container.path('trace');
    const runc = ['runc', '--root', stateRoot, 'restore', '--image-path', empty, '-b', bundle, id];
    const strace = ['-f', '-qq', '-xx', '-s', '1000', '-e', 'trace=sendto,sendmsg,write'];
    await run('strace', [...strace, '-o', trace, ...runc], { env, stdio: 'ignore' });
    // A criu_resp of the type VERSION.
    return /"(?:\\x08\\x0a\\x10)([\\x0-9a-f]+)"/.exec(readFileSync(trace, 'latin1'))?.[1];
  };

  test('answers the question for the version as criu does', async () => {
    const version = await new Criu({ binary: criuBinary }).version();
    const theirs = await answer(environmentWithCriu());
    expect(theirs).toMatch(/^\\x01\\x52/);
    expect(await answer(await runtimeEnvironment({ binary: criuBinary, version }))).toBe(theirs);
  });

  test('is criu for everything else', async () => {
    const version = await new Criu({ binary: criuBinary }).version();
    const env = await runtimeEnvironment({ binary: criuBinary, version });
    for (const args of [['--version'], ['nonsense'], ['swrk'], ['swrk', 'x']]) {
      const [ours, theirs] = [
        await run(join(nativeDirectory, 'criu-first/criu'), args, { env }),
        await run(criuBinary, args, { env: environmentWithCriu() }),
      ];
      expect(ours).toEqual(theirs);
    }
  });

  test('fails where it is told of none', async () => {
    const front = join(nativeDirectory, 'criu-first/criu');
    expect(await run(front, ['--version'], { env: {} })).toMatchObject({ code: 127 });
    const missing = { LIBCRIU_FRONT_CRIU: '/none' };
    expect(await run(front, ['--version'], { env: missing })).toMatchObject({
      code: 127,
      stderr: 'criu: cannot execute /none: No such file or directory\n',
    });
  });
});
