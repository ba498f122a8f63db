import { once } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { Criu, type CriuError, checkpoint, dump } from '../../helpers/api.js';
import { startCriu, startService } from '../../helpers/criu/start-criu.js';
import { endSpareWorkers } from '../../helpers/criu/workers.js';
import { requireNeeds } from '../../helpers/needs.js';
import { failureOf } from '../../helpers/rejection.js';
import { useScope } from '../../helpers/scope.js';
import { until } from '../../helpers/system/exec.js';
import { assertNoLeak, settledHoldings } from '../../helpers/system/leaks.js';
import { isAlive, startWorkload } from '../../helpers/system/process.js';
import { startContainer } from '../../helpers/workloads/container.js';
import { childrenNamed } from '../../helpers/workloads/heavy-container.js';

const scope = useScope();
beforeAll(() => requireNeeds('root', 'criu', 'libcriu', 'runc', 'busybox', 'gcc'));

test('a process is dumped by the service, and no criu is started', async () => {
  const { service, child } = await startService(scope);
  const criu = new Criu({ service });
  await endSpareWorkers(); // those of other tests
  const { pid } = await startWorkload(scope, ['idle']);
  const directory = await scope.directory();
  let ours: number[] = [];
  const hooks = {
    preDump: () => {
      ours = childrenNamed('criu').filter((criuPid) => criuPid !== child.pid);
    },
  };
  const imagePath = join(directory, 'images');
  const { stats, timings } = await dump(pid, { criu, leaveRunning: true, imagePath, hooks });
  expect(ours).toEqual([]);
  expect(stats?.pagesWritten).toBeGreaterThan(0);
  expect(timings.criuMs).toBeGreaterThan(0);
  expect(existsSync(join(imagePath, 'inventory.img'))).toBe(true);
  expect(isAlive(pid)).toBe(true);
  expect(childrenNamed('criu')).toEqual([child.pid]);
});

test('version, features and check are answered by the service', async () => {
  const { service } = await startService(scope);
  const criu = new Criu({ service });
  expect(await criu.version()).toEqual(await new Criu().version());
  expect(await criu.features()).toEqual(await new Criu().features());
  const outcome = async (of: Criu): Promise<string> =>
    of.check().then(
      () => 'good',
      ({ code }: CriuError) => code,
    );
  expect(await outcome(criu)).toBe(await outcome(new Criu()));
});

test('a container is checkpointed by the service, thawed, and restored by runc', async () => {
  const { service } = await startService(scope);
  const criu = new Criu({ service });
  const container = await startContainer(scope);
  const { stateRoot, id } = container;
  const imagePath = container.path('images');
  await checkpoint(id, { stateRoot, criu, imagePath: container.path('left'), leaveRunning: true });
  expect(container.freezer).toBe('THAWED');
  await container.countsOn();
  await checkpoint(id, { stateRoot, criu, imagePath });
  await container.restore(imagePath);
  await container.countsOn();
});

test('failures, many dumps and leaks are as without a service', async () => {
  const { service, child } = await startService(scope);
  const criu = new Criu({ service });
  const directory = await scope.directory();
  const locking = await startWorkload(scope, ['lock', join(directory, 'lock')]);
  const idle = await Promise.all([1, 2, 3, 4].map(() => startWorkload(scope, ['idle'])));
  await dump(idle[0]?.pid ?? 0, { criu, leaveRunning: true, imagePath: join(directory, 'first') });
  const before = await settledHoldings([child.pid ?? 0]);
  const error = await failureOf(dump(locking.pid, { criu, imagePath: join(directory, 'failing') }));
  expect(error).toMatchObject({ code: 'ERR_CRIU_FAILED', operation: 'dump' });
  expect(error.message).toMatch(/file.locks/);
  expect(readdirSync(join(directory, 'failing'))).toEqual(['dump.log']);
  await Promise.all(
    idle.map(({ pid }) =>
      dump(pid, { criu, leaveRunning: true, imagePath: join(directory, String(pid)) }),
    ),
  );
  for (const { pid } of [...idle, locking]) expect(isAlive(pid)).toBe(true);
  await assertNoLeak(before, [child.pid ?? 0]);
});

test('a service in another mount namespace is refused in one sentence, nothing is made', async () => {
  const { service } = await startService(scope, 'unshare', '--mount');
  const { pid } = await startWorkload(scope, ['idle']);
  const directory = await scope.directory();
  const imagePath = join(directory, 'images');
  const error = await failureOf(dump(pid, { criu: new Criu({ service }), imagePath }));
  expect(error.message).toContain(service);
  expect(error.message).toMatch(/mount namespace/);
  expect(error.message).not.toMatch(/\n/);
  expect(readdirSync(directory)).toEqual([]);
  expect(isAlive(pid)).toBe(true);
});

test('a dump by a service without a socket fails with ERR_CRIU_NOT_FOUND', async () => {
  const { pid } = await startWorkload(scope, ['idle']);
  const directory = await scope.directory();
  const service = join(directory, 'nowhere.sock');
  const error = await failureOf(
    dump(pid, { criu: new Criu({ service }), imagePath: join(directory, 'images') }),
  );
  expect(error.code).toBe('ERR_CRIU_NOT_FOUND');
  expect(error.message).toContain(service);
  expect(readdirSync(directory)).toEqual([]);
});

test('a dump by a socket on which nobody listens fails with a CriuError that names it', async () => {
  const { service, child } = await startService(scope);
  const gone = once(child, 'exit');
  child.kill('SIGKILL');
  await gone;
  expect(existsSync(service)).toBe(true);
  const { pid } = await startWorkload(scope, ['idle']);
  const directory = await scope.directory();
  const error = await failureOf(
    dump(pid, { criu: new Criu({ service }), imagePath: join(directory, 'images') }),
  );
  expect(error.message).toContain(service);
  expect(error.message).toMatch(/ECONNREFUSED/);
  expect(error.message).not.toMatch(/\n/);
  expect(readdirSync(directory)).toEqual([]);
});

test('a service may end between two dumps, and come back', async () => {
  const { service, child } = await startService(scope);
  const criu = new Criu({ service });
  const { pid } = await startWorkload(scope, ['idle']);
  const directory = await scope.directory();
  const options = (name: string) => ({ leaveRunning: true, imagePath: join(directory, name) });
  await dump(pid, { criu, ...options('first') });
  const gone = once(child, 'exit');
  child.kill('SIGKILL');
  await gone;
  expect((await failureOf(dump(pid, { criu, ...options('second') }))).message).toContain(service);
  expect(existsSync(join(directory, 'second'))).toBe(false);
  // At the same path.
  startCriu(scope, 'service', '--address', service);
  await until('the service answers', () =>
    criu.check().then(
      () => true,
      ({ message }: CriuError) => !message.includes(service),
    ),
  );
  await dump(pid, { criu, ...options('third') });
});

test('a dump by what is no criu service fails with a CriuError that names it', async () => {
  const { pid } = await startWorkload(scope, ['idle']);
  const directory = await scope.directory();
  const file = join(directory, 'file');
  await writeFile(file, '');
  const stream = join(directory, 'stream.sock');
  const server = createServer().listen(stream);
  await once(server, 'listening');
  scope.defer(() => server.close());
  for (const service of [file, stream, `${directory}/${'x'.repeat(120)}`]) {
    const error = await failureOf(
      dump(pid, { criu: new Criu({ service }), imagePath: join(directory, 'images') }),
    );
    expect(error.message).toContain(service);
    expect(error.message).not.toMatch(/\n/);
    expect(existsSync(join(directory, 'images'))).toBe(false);
  }
});
