import { writeFileSync } from 'node:fs';
import { beforeAll, describe, expect, test } from 'vitest';
import {
  checkpoint,
  type DumpResult,
  type DumpStages,
  dump,
  type RestoreStages,
} from '../../helpers/api.js';
import { dumpAway, restoreOk } from '../../helpers/criu/restored.js';
import { requireNeeds } from '../../helpers/needs.js';
import { useScope } from '../../helpers/scope.js';
import { sleep } from '../../helpers/system/exec.js';
import { patientMs } from '../../helpers/system/patience.js';
import { startWorkload } from '../../helpers/system/process.js';
import { type Container, startContainer } from '../../helpers/workloads/container.js';

const scope = useScope();
beforeAll(() => requireNeeds('root', 'criu', 'libcriu', 'runc', 'busybox', 'gcc'));

const save = (container: Container, name: string, more = {}): Promise<DumpResult> =>
  checkpoint(container.id, {
    stateRoot: container.stateRoot,
    imagePath: container.path(name),
    leaveRunning: true,
    ...more,
  });

/** All stages together; none is unknown or negative. */
function total(stages: DumpStages | RestoreStages): number {
  const all = Object.entries(stages) as [string, number | undefined][];
  return all.reduce((sum, [name, ms = Number.NaN]) => {
    expect(ms, name).toBeGreaterThanOrEqual(0);
    return sum + ms;
  }, 0);
}

/** The stages take much of the time that CRIU has taken for us, and no more than all. */
function expectWhole({ timings }: DumpResult): void {
  const all = total(timings.stages);
  // The log's clock, the statistics' and ours differ by some microseconds.
  expect(all).toBeLessThanOrEqual(timings.criuMs + 1);
  expect(all).toBeGreaterThan(timings.criuMs * 0.3);
}

describe('the stages of a dump make up the time of CRIU', () => {
  test('of a container that is left running', async () => {
    const container = await startContainer(scope);
    await save(container, 'warm-up');
    const result = await save(container, 'images');
    expectWhole(result);
    const { stages } = result.timings;
    const each = [
      'networkLockMs',
      'mountsMs',
      'networkUnlockMs',
      'cgroupsMs',
      'processesMs',
    ] as const;
    for (const name of each) expect(stages[name], name).toBeGreaterThan(0);
    // A tar and a gzip for each of its five tmpfs.
    expect(stages.mountsMs).toBeGreaterThan(stages.resumeMs ?? 0);
    expect(stages.memoryMs).toBe((result.stats?.memdumpTimeUs ?? 0) / 1000);
  });

  test('of a container that ends', async () => {
    const container = await startContainer(scope);
    const result = await save(container, 'images', { leaveRunning: false });
    expectWhole(result);
    expect(result.timings.stages.networkUnlockMs).toBe(0);
    expect(result.timings.stages.resumeMs).toBeGreaterThan(0);
  });

  test('of a process', async () => {
    const { pid } = await startWorkload(scope, ['memory', 16]);
    const imagePath = `${await scope.directory()}/images`;
    const result = await dump(pid, { leaveRunning: true, imagePath });
    expectWhole(result);
    const { stages } = result.timings;
    expect(stages).toMatchObject({ networkLockMs: 0, mountsMs: 0 });
    expect(stages.memoryMs).toBeGreaterThan(0);
    expect(stages.freezeMs).toBe((result.stats?.freezingTimeUs ?? 0) / 1000);
  });
});

test('the waiting of handlers is in none of the stages', async () => {
  const heldMs = patientMs(100);
  const container = await startContainer(scope);
  const wait = (): Promise<void> => sleep(heldMs);
  const every = { preDump: wait, networkLock: wait, queryExtFiles: wait, postDump: wait };
  const hooks = { ...every, networkUnlock: wait } as never;
  const { timings } = await save(container, 'images', { hooks });
  expect(total(timings.stages)).toBeLessThan(timings.criuMs - 5 * (heldMs - 1) + 1);
});

test.each([
  ['information', 3, []],
  [
    'warnings',
    2,
    ['namespacesMs', 'processesMs', 'cgroupsMs', 'mountsMs', 'networkUnlockMs', 'resumeMs'],
  ],
  [
    'nothing',
    0,
    ['namespacesMs', 'processesMs', 'cgroupsMs', 'mountsMs', 'networkUnlockMs', 'resumeMs'],
  ],
])('a log of %s leaves what it does not tell undefined', async (_what, logLevel, unknown) => {
  const container = await startContainer(scope);
  const { timings } = await save(container, 'images', { logLevel });
  for (const [name, ms] of Object.entries(timings.stages)) {
    if (unknown.includes(name)) expect(ms, name).toBeUndefined();
    else expect(ms, name).toBeGreaterThanOrEqual(0);
  }
});

test('a log of an earlier dump in the directory tells nothing', async () => {
  const { pid } = await startWorkload(scope, ['idle']);
  const directory = await scope.directory();
  const options = { leaveRunning: true, imagePath: `${directory}/images` } as const;
  await dump(pid, options);
  const configFile = `${directory}/criu.conf`;
  writeFileSync(configFile, `log-file ${directory}/elsewhere.log\n`);
  const { timings } = await dump(pid, { ...options, existing: 'reuse', configFile });
  expect(timings.stages.processesMs).toBeUndefined();
  expect(timings.stages.memoryMs).toBeGreaterThanOrEqual(0);
});

test('the stages of a restore make up the time of CRIU', async () => {
  const workload = await startWorkload(scope, ['netns']);
  const imagePath = await dumpAway(scope, workload);
  const { timings } = await restoreOk(scope, imagePath);
  const all = total(timings.stages);
  expect(all).toBeLessThanOrEqual(timings.criuMs + 1);
  expect(all).toBeGreaterThan(timings.criuMs * 0.3);
  expect(timings.stages.namespacesMs).toBeGreaterThan(0);
});
