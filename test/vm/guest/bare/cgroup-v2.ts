import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmdirSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { checkpoint, dump, restore } from '../../../helpers/api.js';
import { CriuLog } from '../../../helpers/criu/criu-log.js';
import { distIndex } from '../../../helpers/paths.js';
import { run, runOk, until } from '../../../helpers/system/exec.js';
import { freezerDirectory, isRunning } from '../../../helpers/system/freezer.js';
import { isAlive, processState, startWorkload } from '../../../helpers/system/process.js';
import { type Container, startContainer, uniqueId } from '../../../helpers/workloads/container.js';
import type { Suite } from '../suite-module.js';

/** What the kernel says of a cgroup: asked to be frozen, and frozen. */
function freezer(path: string): string {
  const asked = readFileSync(join(path, 'cgroup.freeze'), 'utf8').trim();
  const is = /^frozen (\d)$/m.exec(readFileSync(join(path, 'cgroup.events'), 'utf8'))?.[1];
  return `asked ${asked}, frozen ${is}`;
}

const membersOf = (path: string): string => readFileSync(join(path, 'cgroup.procs'), 'utf8');

const running = 'asked 0, frozen 0';
const frozen = 'asked 1, frozen 1';

function options(container: Container, name = 'images'): { stateRoot: string; imagePath: string } {
  return { stateRoot: container.stateRoot, imagePath: container.path(name) };
}

export const title = 'cgroup v2';

export const suite: Suite = {
  'a container is frozen through its cgroup before CRIU comes, and thawed afterwards': async (
    scope,
  ) => {
    const container = await startContainer(scope);
    const path = container.freezerPath;
    assert.match(path, /^\/sys\/fs\/cgroup\/./);
    const seen: string[] = [];
    const look = (): undefined => {
      seen.push(`${freezer(path)}, state ${processState(container.pid)?.state}`);
    };
    const { timings, logFile } = await checkpoint(container.id, {
      ...options(container),
      leaveRunning: true,
      hooks: { preDump: look, queryExtFiles: look, postDump: look },
    });
    // CRIU thaws it as soon as it holds each task by ptrace.
    const [first, ...later] = seen;
    assert.match(first ?? '', new RegExp(`^${frozen}`));
    assert.deepEqual(later, [`${running}, state t`, `${running}, state t`]);
    assert.ok(timings.freezeMs > 0 && timings.thawMs > 0);
    assert.ok(new CriuLog(logFile).has(/freeze|frozen/i));
    assert.equal(freezer(path), running);
    await container.countsOn();
  },

  'CRIU looks at cgroups where they are mounted, at a dump and at a restore': async (scope) => {
    const yard = '/run/libcriu/cgroup-yard';
    const container = await startContainer(scope);
    await checkpoint(container.id, { ...options(container), leaveRunning: true });
    assert.equal(readlinkSync(join(yard, 'unified')), '/sys/fs/cgroup');
    // CRIU looks at no cgroups for tasks that are where it is itself.
    const group = join('/sys/fs/cgroup', uniqueId());
    mkdirSync(group);
    scope.defer(() => rmdirSync(group));
    const { pid } = await startWorkload(scope, ['idle']);
    writeFileSync(join(group, 'cgroup.procs'), String(pid));
    scope.defer(async () => {
      process.kill(pid, 'SIGKILL');
      await until('its cgroup is empty', () => membersOf(group) === '');
    });
    const imagePath = container.path('process');
    await dump(pid, { imagePath, manageCgroupsMode: 'soft' });
    const { logFile } = await restore(imagePath, { manageCgroupsMode: 'soft', logLevel: 4 });
    assert.ok(isAlive(pid));
    assert.ok(new CriuLog(logFile).has(/Opening \/run\/libcriu\/cgroup-yard as cg yard/));
    assert.deepEqual(readdirSync(yard), ['unified']);
    const mounts = readFileSync('/proc/self/mountinfo', 'utf8');
    assert.equal(mounts.match(/ - cgroup2? /g)?.length, 1);
  },

  'a paused container stays paused, and goes on when it is resumed': async (scope) => {
    const container = await startContainer(scope);
    const path = container.freezerPath;
    await container.runcOk('pause', container.id);
    await checkpoint(container.id, { ...options(container), leaveRunning: true });
    assert.equal(freezer(path), frozen);
    assert.equal(await container.status(), 'paused');
    await checkpoint(container.id, { ...options(container, 'pre'), preDump: true });
    assert.equal(freezer(path), frozen);
    const ticks = (await container.ticks()).length;
    await container.runcOk('resume', container.id);
    await container.countsOn();
    assert.ok((await container.ticks()).length > ticks);
  },

  'after a failure a running container runs and a paused one is paused': async (scope) => {
    const container = await startContainer(scope);
    const path = container.freezerPath;
    const veto = (name: string): Promise<unknown> =>
      checkpoint(container.id, {
        ...options(container, name),
        hooks: {
          postDump: () => {
            throw new Error('not now');
          },
        },
      });
    await assert.rejects(veto('first'), { code: 'ERR_CRIU_VETOED' });
    assert.equal(freezer(path), running);
    await container.countsOn();
    await container.runcOk('pause', container.id);
    await assert.rejects(veto('second'), { code: 'ERR_CRIU_VETOED' });
    assert.equal(freezer(path), frozen);
    await container.runcOk('resume', container.id);
    await container.countsOn();
  },

  'a container is thawed when the Node process that froze it is killed': async (scope) => {
    const container = await startContainer(scope);
    const script = `
      const { checkpoint } = await import(${JSON.stringify(distIndex)});
      await checkpoint(${JSON.stringify(container.id)}, {
        ...${JSON.stringify({ ...options(container), leaveRunning: true })},
        hooks: { preDump: () => new Promise((resolve) => setTimeout(resolve, 60_000)) },
      });`;
    const victim = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: 'ignore',
    });
    scope.defer(() => victim.kill('SIGKILL'));
    await until('it is frozen', () => freezer(container.freezerPath) === frozen);
    victim.kill('SIGKILL');
    await until('it is thawed', () => freezer(container.freezerPath) === running);
    await container.countsOn();
    assert.equal(freezer(container.freezerPath), running);
  },

  'a container that ends with its checkpoint leaves no cgroup, paused or not': async (scope) => {
    for (const pause of [false, true]) {
      const container = await startContainer(scope);
      const { pid, freezerPath: path } = container;
      // As systemd in a container would: processes of its own are not in it, but it is in the way.
      mkdirSync(join(path, 'inner/most'), { recursive: true });
      if (pause) await container.runcOk('pause', container.id);
      const { warnings } = await checkpoint(container.id, options(container));
      assert.deepEqual(warnings, []);
      assert.ok(!existsSync(path));
      assert.ok(!existsSync(container.stateFile));
      assert.ok(!isAlive(pid));
      await container.restore(container.path('images'));
      await container.countsOn();
      assert.equal(freezer(container.freezerPath), running);
    }
  },

  'limits of the cgroup are those of the restored container': async (scope) => {
    writeFileSync('/sys/fs/cgroup/cgroup.subtree_control', '+memory +pids');
    const container = await startContainer(scope, {
      configure: (config) => {
        config.linux['resources'] = { pids: { limit: 77 }, memory: { limit: 64 * 1024 * 1024 } };
      },
    });
    const limits = (): string[] =>
      ['pids.max', 'memory.max'].map((name) =>
        readFileSync(join(container.freezerPath, name), 'utf8').trim(),
      );
    assert.deepEqual(limits(), ['77', String(64 * 1024 * 1024)]);
    await checkpoint(container.id, options(container));
    await container.restore(container.path('images'));
    assert.deepEqual(limits(), ['77', String(64 * 1024 * 1024)]);
  },

  'a container without namespaces of its own for cgroups and pids leaves nothing': async (
    scope,
  ) => {
    const container = await startContainer(scope, {
      // Its second process is nobody's child any more, so CRIU does not end it.
      args: ['/bin/sh', '-c', '/bin/sh -c "sleep 1000 & echo \\$! >/orphan"; exec sleep 1000'],
      configure: (config) => {
        config.linux.namespaces = config.linux.namespaces.filter(
          ({ type }) => type !== 'cgroup' && type !== 'pid',
        );
      },
    });
    const path = container.freezerPath;
    const file = join(container.rootfs, 'orphan');
    // The shell makes the file before it writes to it.
    const orphan = await until('the orphan is there', () =>
      existsSync(file) ? Number(readFileSync(file, 'utf8')) || undefined : undefined,
    );
    assert.ok(isAlive(orphan));
    const { warnings } = await checkpoint(container.id, options(container));
    const [leftOut, ...others] = warnings;
    assert.match(
      leftOut ?? '',
      /^Process \d+ \(sleep\) is of the container but not below its init/,
    );
    assert.deepEqual(others, []);
    assert.ok(!isAlive(orphan));
    assert.ok(!existsSync(path));
  },

  'a container of crun runs on after a checkpoint, or is gone with it': async (scope) => {
    const { bundle, directory } = await startContainer(scope, {
      args: ['/workload', '-', 'idle'],
    });
    const stateRoot = join(directory, 'crun');
    const id = uniqueId();
    const crun = (...args: string[]): Promise<unknown> =>
      run('crun', ['--root', stateRoot, ...args]);
    scope.defer(() => crun('delete', '--force', id));
    await runOk('crun', ['--root', stateRoot, 'run', '--detach', '--bundle', bundle, id], {
      stdio: 'ignore',
    });
    const status = JSON.parse(readFileSync(join(stateRoot, id, 'status'), 'utf8')) as {
      pid: number;
    };
    await until('its program runs', () => processState(status.pid)?.name === 'workload');
    const { path: cgroup } = freezerDirectory(status.pid);
    const imagePath = join(directory, 'left');
    const { containerId } = await checkpoint(id, { stateRoot, imagePath, leaveRunning: true });
    assert.equal(containerId, id);
    assert.equal(freezer(cgroup), running);
    assert.ok(isRunning(status.pid));
    const { warnings } = await checkpoint(id, { stateRoot, imagePath: join(directory, 'gone') });
    assert.deepEqual(warnings, []);
    assert.ok(!isAlive(status.pid));
    assert.ok(!existsSync(cgroup));
    assert.ok(!existsSync(join(stateRoot, id)));
  },
};
