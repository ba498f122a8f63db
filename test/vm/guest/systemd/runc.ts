import assert from 'node:assert/strict';
import { existsSync, readlinkSync, statfsSync } from 'node:fs';
import { join } from 'node:path';
import { checkpoint, restoreContainer } from '../../../helpers/api.js';
import type { Scope } from '../../../helpers/cleanup.js';
import type { ReportRow, Way } from '../../../helpers/engines/report.js';
import { run } from '../../../helpers/system/exec.js';
import { isAlive } from '../../../helpers/system/process.js';
import { type Container, startContainer, uniqueId } from '../../../helpers/workloads/container.js';
import { cgroupOf, limitsOf } from '../service.js';
import type { Suite } from '../suite-module.js';

export const title = 'runc where systemd is';

type Driver = 'cgroupfs' | 'systemd';

/** Where a container is, as the kernel and systemd have it. */
interface Place {
  cgroup: string;
  limits: Record<string, string>;
  /** What systemd knows of its scope. */
  scope: readonly string[];
}

async function placeOf({ id, pid }: Container): Promise<Place> {
  const names = ['ActiveState', 'MemoryMax', 'TasksMax', 'CPUQuotaPerSecUSec'];
  const { stdout } = await run('systemctl', [
    'show',
    ...names.flatMap((name) => ['--property', name]),
    `libcriu-${id}.scope`,
  ]);
  return { cgroup: cgroupOf(pid), limits: limitsOf(pid), scope: stdout.trim().split('\n').sort() };
}

async function startLimited(scope: Scope, driver: Driver): Promise<Container> {
  const id = uniqueId();
  return startContainer(scope, {
    id,
    systemdCgroup: driver === 'systemd',
    configure: ({ linux }) => {
      linux['cgroupsPath'] = driver === 'systemd' ? `system.slice:libcriu:${id}` : `/tests/${id}`;
      linux['resources'] = {
        pids: { limit: 77 },
        memory: { limit: 64 * 1024 * 1024 },
        cpu: { quota: 50_000, period: 100_000 },
      };
    },
  });
}

const limits = { 'cpu.max': '50000 100000', 'memory.max': '67108864', 'pids.max': '77' };
const scopeWithLimits = [
  'ActiveState=active',
  'CPUQuotaPerSecUSec=500ms',
  'MemoryMax=67108864',
  'TasksMax=77',
];

async function countOf(container: Container): Promise<number> {
  return (await container.ticks()).at(-1)?.number ?? 0;
}

const asBefore = (driver: Driver) => async (scope: Scope) => {
  const container = await startLimited(scope, driver);
  const { stateRoot, id, bundle } = container;
  const before = await placeOf(container);
  assert.deepEqual(before.limits, limits);
  if (driver === 'systemd') {
    assert.equal(before.cgroup, `/system.slice/libcriu-${id}.scope`);
    assert.deepEqual(before.scope, scopeWithLimits);
  } else {
    assert.equal(before.cgroup, `/tests/${id}`);
    assert.match(before.scope.join(), /ActiveState=inactive/);
  }
  const check = async (): Promise<number> => {
    assert.deepEqual(await placeOf(container), before);
    await container.countsOn();
    return await countOf(container);
  };
  const rows: ReportRow[] = [];
  const [, release] = /^runc version (\S+)/.exec(await container.runcOk('--version')) ?? [];
  const row = (way: Way, count: number, after: number): number =>
    rows.push({ engine: `runc ${release} (${driver})`, way, before: count, after });

  const imagePath = container.path('left');
  const running = await countOf(container);
  await checkpoint(id, { stateRoot, imagePath, leaveRunning: true });
  // With it no file system of cgroups is mounted while the container stands still.
  assert.equal(readlinkSync('/run/libcriu/cgroup-yard/unified'), '/sys/fs/cgroup');
  row('left running', running, await check());

  const killed = await countOf(container);
  await checkpoint(id, { stateRoot, imagePath: container.path('killed') });
  assert.ok(!existsSync(join('/sys/fs/cgroup', before.cgroup)));
  const restored = await restoreContainer(id, {
    stateRoot,
    bundle,
    imagePath: container.path('killed'),
  });
  assert.equal(restored.pid, container.pid);
  row('killed', killed, await check());

  await container.runcOk('pause', id);
  assert.equal(container.freezer, 'FROZEN');
  await checkpoint(id, { stateRoot, imagePath: container.path('paused') });
  await container.restore(container.path('paused'));
  await check();

  const { pid } = container;
  await container.runcOk('delete', '--force', id);
  assert.ok(!isAlive(pid));
  assert.ok(!existsSync(join('/sys/fs/cgroup', before.cgroup)));
  return rows;
};

export const suite: Suite = {
  'systemd is the init, and there is nothing but cgroup v2': async () => {
    assert.equal(statfsSync('/sys/fs/cgroup').type, 0x63677270);
    const { stdout } = await run('cat', ['/proc/1/comm']);
    assert.equal(stdout.trim(), 'systemd');
  },
  'a container of the systemd driver has the scope and the limits of before': asBefore('systemd'),
  'a container of the cgroupfs driver has the cgroup and the limits of before':
    asBefore('cgroupfs'),
};
