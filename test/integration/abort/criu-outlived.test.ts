// A criu that is killed while something that it has started lives on. To see what the kernel can do
// criu starts processes that sleep until it kills them, and they have all of its descriptors: its
// connections do not close by its end.
import { readFileSync } from 'node:fs';
import { chmod, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { Criu, dump, type Hooks, startPageServer } from '../../helpers/api.js';
import { requireNeeds } from '../../helpers/needs.js';
import { criuBinary } from '../../helpers/paths.js';
import { useScope } from '../../helpers/scope.js';
import { until } from '../../helpers/system/exec.js';
import { isAlive, startWorkload, tracesOf } from '../../helpers/system/process.js';
import {
  childrenNamed,
  isGone,
  waitsAtTheEnd,
  writesMemory,
} from '../../helpers/workloads/heavy-container.js';

const scope = useScope();
beforeAll(() => requireNeeds('root', 'criu', 'libcriu', 'build', 'gcc'));

interface Outlived {
  criu: Criu;
  /** What the last criu has started. */
  sleeper(): number;
  kill(): void;
}

async function outlivedCriu(): Promise<Outlived> {
  const directory = await scope.directory();
  const binary = join(directory, 'criu');
  const list = join(directory, 'sleepers');
  const sleepers = (): number[] => readFileSync(list, 'utf8').trim().split('\n').map(Number);
  await writeFile(
    binary,
    `#!/bin/sh\nsleep 1000 &\necho $! >>"${list}"\nexec "${criuBinary}" "$@"\n`,
  );
  await chmod(binary, 0o755);
  scope.defer(() => {
    for (const pid of sleepers()) if (isAlive(pid)) process.kill(pid, 'SIGKILL');
  });
  const criu = new Criu({ binary, workers: 0 });
  await criu.version();
  return {
    criu,
    sleeper: () => sleepers().at(-1) ?? 0,
    kill: () => {
      for (const pid of childrenNamed('criu')) process.kill(pid, 'SIGKILL');
    },
  };
}

test.each<[string, (kill: () => void, imagePath: string) => Hooks]>([
  [
    'while a hook is waited for',
    (kill) => ({
      preDump: () => {
        kill();
        return new Promise(() => {});
      },
    }),
  ],
  [
    'while it saves memory',
    (kill, imagePath) => ({
      queryExtFiles: () => {
        void until('criu writes memory', () => writesMemory(imagePath)).then(kill);
      },
      ...waitsAtTheEnd,
    }),
  ],
])(
  'a dump fails when its criu is killed while a process that criu started lives on: %s',
  async (_, hooksWith) => {
    const workload = await startWorkload(scope, ['memory', 256]);
    const before = tracesOf(workload.pid);
    const { criu, sleeper, kill } = await outlivedCriu();
    const imagePath = join(await scope.directory(), 'images');
    const hooks = hooksWith(kill, imagePath);
    await expect(dump(workload.pid, { criu, imagePath, hooks })).rejects.toMatchObject({
      code: 'ERR_CRIU_DIED',
    });
    await isGone(sleeper());
    expect(tracesOf(workload.pid).tracer).toBe(before.tracer);
    expect(isAlive(workload.pid)).toBe(true);
  },
);

test('a page server fails when its criu is killed while a process that criu started lives on, and its client is told', async () => {
  const { criu, sleeper, kill } = await outlivedCriu();
  const earlier = sleeper();
  const imagePath = join(await scope.directory(), 'received');
  const server = await startPageServer({ imagePath, address: '127.0.0.1', criu });
  const client = connect(server.port, '127.0.0.1');
  client.on('error', () => {});
  client.write('half');
  // Not by once(), which takes the reset of a connection with unread data for a failure.
  const closed = new Promise((settle) => client.once('close', settle));
  await until('criu has the connection', () => sleeper() !== earlier);
  kill();
  await expect(server.finished).rejects.toMatchObject({ code: 'ERR_CRIU_DIED' });
  await closed;
  await isGone(sleeper());
});
