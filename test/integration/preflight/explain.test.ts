import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, openSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { explain } from '../../../lib/explain.js';
import { checkpoint } from '../../helpers/api.js';
import { dumpOk } from '../../helpers/criu/attempt.js';
import { obstacles } from '../../helpers/criu/findings.js';
import { requireNeeds } from '../../helpers/needs.js';
import { useScope } from '../../helpers/scope.js';
import { until } from '../../helpers/system/exec.js';
import { settledHoldings } from '../../helpers/system/leaks.js';
import { patientMs } from '../../helpers/system/patience.js';
import { processState, reachesState, startWorkload } from '../../helpers/system/process.js';
import { startContainer, withoutChildren } from '../../helpers/workloads/container.js';
import { startSituation } from '../../helpers/workloads/situation.js';

const scope = useScope();
beforeAll(() =>
  requireNeeds('root', 'criu', 'libcriu', 'gcc', 'runc', 'busybox', 'setpriv', 'build'),
);

describe('explain', () => {
  test('finds nothing in a plain process, which is then dumped', async () => {
    const { pid } = await startWorkload(scope, ['idle']);
    expect(await explain(pid)).toEqual([]);
    await dumpOk(scope, pid);
  });

  test('finds nothing in a plain container, which is then checkpointed', async () => {
    const container = await startContainer(scope, { args: withoutChildren });
    const { stateRoot } = container;
    expect(await explain(container.id, { stateRoot })).toEqual([]);
    const imagePath = container.path('images');
    await checkpoint(container.id, { stateRoot, imagePath, leaveRunning: true });
  });

  test('finds nothing in threads, children and pairs of sockets', async () => {
    const threads = await startWorkload(scope, ['threads', 5]);
    expect(await explain(threads.pid)).toEqual([]);
    const children = await startWorkload(scope, ['children', 5]);
    expect(await explain(children.pid)).toEqual([]);
    const pairs = await startSituation(scope, ['pairs']);
    expect(await explain(pairs.pid)).toEqual([]);
    await dumpOk(scope, pairs.pid);
  });

  test('finds nothing in a Node.js server that watches, waits and has children, which is then dumped', async () => {
    const script = `
      const { createServer } = require('node:http');
      const { Worker } = require('node:worker_threads');
      require('node:fs').watch('/tmp');
      new Worker('setInterval(() => {}, 1000)', { eval: true });
      require('node:child_process').spawn('/bin/sleep', ['1000'], { stdio: 'pipe' });
      createServer().listen(0, '127.0.0.1');
      setTimeout(() => require('node:fs').writeFileSync(process.argv[1], 'up'), 300);
    `;
    const ready = join(await scope.directory(), 'ready');
    const child = spawn(process.execPath, ['-e', script, ready], {
      detached: true,
      stdio: 'ignore',
      cwd: '/',
    });
    const pid = child.pid ?? 0;
    scope.defer(() => process.kill(-pid, 'SIGKILL'));
    await until('the server is up', () => existsSync(ready), 10_000);
    expect(obstacles(await explain(pid))).toEqual([]);
    await dumpOk(scope, pid);
  });

  test('touches nothing: no state, no context switch, no tracer and no descriptor changes', async () => {
    const { pid } = await startWorkload(scope, ['tcp']);
    const look = (): string[] => [
      // Signals are counted for the user, so those of any other process change this line.
      readFileSync(`/proc/${pid}/status`, 'utf8').replace(/^SigQ:.*$/m, ''),
      readFileSync(`/proc/${pid}/stat`, 'utf8'),
      readdirSync(`/proc/${pid}/fd`)
        .map((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`))
        .join(),
      readFileSync(`/proc/${pid}/maps`, 'utf8'),
    ];
    await reachesState(pid, 'S');
    await settledHoldings();
    const before = look();
    const open = readdirSync('/proc/self/fd').length;
    await explain(pid);
    expect(look()).toEqual(before);
    expect(readdirSync('/proc/self/fd').length).toBeLessThanOrEqual(open);
  });

  test('stops nothing: a container counts on while it is looked at', async () => {
    const container = await startContainer(scope);
    const { stateRoot } = container;
    const before = (await container.ticks()).length;
    await until('it counts on meanwhile', async () => {
      await explain(container.id, { stateRoot });
      expect(container.freezer).toBe('THAWED');
      expect(processState(container.pid)?.state).not.toMatch(/[tT]/);
      return (await container.ticks()).length > before + 5;
    });
  });
});

describe('explain of a container', () => {
  test('finds a file of the host as its standard output', async () => {
    const container = await startContainer(scope, {
      start: 'create',
      args: ['/bin/sleep', '1000'],
    });
    await container.runcOk('delete', '--force', container.id);
    const file = openSync(join(await scope.directory(), 'output'), 'w');
    const runc = spawn(
      'runc',
      ['--root', container.stateRoot, 'run', '-d', '-b', container.bundle, container.id],
      { stdio: ['ignore', file, 'ignore'] },
    );
    expect(await once(runc, 'exit')).toEqual([0, null]);
    const { stateRoot, pid } = container;
    await until('its program runs', () => processState(pid)?.name === 'sleep');
    const [finding] = await explain(container.id, { stateRoot });
    expect(finding).toMatchObject({
      code: 'file-outside',
      severity: 'needs-option',
      pid,
      fd: 1,
      option: 'external',
    });
    const imagePath = container.path('images');
    const options = { stateRoot, imagePath, leaveRunning: true };
    await expect(checkpoint(container.id, options)).rejects.toThrow(/lookup mount/);
    const external = finding?.value as readonly string[];
    expect(await explain(container.id, { stateRoot, external })).toEqual([]);
    await checkpoint(container.id, { ...options, external });
  });

  test('rejects where there is no such container or process, or it is not running', async () => {
    await expect(explain('no-such-container')).rejects.toMatchObject({
      code: 'ERR_CONTAINER_NOT_FOUND',
    });
    await expect(explain(0x7ffffffe)).rejects.toMatchObject({ code: 'ERR_PROCESS_NOT_FOUND' });
    const container = await startContainer(scope, { start: 'create' });
    await expect(explain(container.id, { stateRoot: container.stateRoot })).rejects.toMatchObject({
      code: 'ERR_CONTAINER_STATE',
    });
  });

  test("minds the container's file of CRIU options", async () => {
    const configFile = join(await scope.directory(), 'criu.conf');
    await writeFile(configFile, 'file-locks\n');
    const container = await startContainer(scope, {
      args: ['/workload', '/ready', 'lock', '/lock'],
      configure: (config) => {
        config.annotations = { 'org.criu.config': configFile };
      },
    });
    const { stateRoot } = container;
    expect(await explain(container.id, { stateRoot })).toEqual([]);
    await checkpoint(container.id, {
      stateRoot,
      imagePath: container.path('images'),
      leaveRunning: true,
    });
    await writeFile(configFile, '');
    const [finding] = await explain(container.id, { stateRoot });
    expect(finding).toMatchObject({ code: 'file-lock', pid: container.pid, option: 'fileLocks' });
  });
});

describe('explain of processes that come and go', () => {
  test('leaves out those that vanish', async () => {
    const child = spawn('/bin/sh', ['-c', 'while :; do /bin/true; done'], {
      detached: true,
      stdio: 'ignore',
    });
    scope.defer(() => child.kill('SIGKILL'));
    const pid = child.pid ?? 0;
    for (let round = 0; round < 30; round += 1) {
      const found = await explain(pid);
      expect(found.filter(({ code }) => code === 'unreadable')).toEqual([]);
    }
  });

  test('looks at two hundred of them in time', async () => {
    const { pid } = await startWorkload(scope, ['children', 200]);
    const start = performance.now();
    expect(await explain(pid)).toEqual([]);
    expect(performance.now() - start).toBeLessThan(patientMs(15_000));
  });
});
