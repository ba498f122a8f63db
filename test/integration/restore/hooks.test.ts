import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { CriuError, dump, type HookEvent, type RestoreHooks } from '../../helpers/api.js';
import { dumpAway, restoreFails, restoreOk } from '../../helpers/criu/restored.js';
import { requireNeeds } from '../../helpers/needs.js';
import { useScope } from '../../helpers/scope.js';
import { never, sleep, until } from '../../helpers/system/exec.js';
import {
  allProcesses,
  isAlive,
  processState,
  reachesState,
  startShell,
  startWorkload,
  workloadBinary,
} from '../../helpers/system/process.js';

const scope = useScope();
beforeAll(() => requireNeeds('root', 'criu', 'libcriu', 'gcc', 'ip', 'iptables'));

const stages = [
  'preRestore',
  'setupNamespaces',
  'postSetupNamespaces',
  'postRestore',
  'networkUnlock',
  'preResume',
  'postResume',
] as const;
type Stage = (typeof stages)[number];

/** Images of a process with a network namespace of its own, so that every hook is reached. */
async function imagesWithNamespace(): Promise<{ imagePath: string; pid: number }> {
  const workload = await startWorkload(scope, ['netns']);
  return { imagePath: await dumpAway(scope, workload), pid: workload.pid };
}

function everywhere(hook: (event: HookEvent<Stage>) => unknown): RestoreHooks {
  return Object.fromEntries(stages.map((stage) => [stage, hook]));
}

test('hooks of a restore are called in order, with the pid where there is one', async () => {
  const { imagePath, pid } = await imagesWithNamespace();
  const events: HookEvent<Stage>[] = [];
  const hooks = everywhere(async (event) => {
    await sleep(20);
    if (event.pid !== undefined) expect(existsSync(`/proc/${event.pid}/ns/net`)).toBe(true);
    events.push(event);
  });
  await restoreOk(scope, imagePath, { hooks });
  expect(events.map(({ hook }) => hook)).toEqual(stages);
  expect(events.filter((event) => event.frozen).map(({ hook }) => hook)).toEqual(
    stages.slice(1, -1),
  );
  const told = events.filter((event) => event.pid !== undefined);
  expect(told.map(({ hook }) => hook)).toEqual(['setupNamespaces', 'postRestore']);
  expect(new Set(told.map((event) => event.pid))).toEqual(new Set([pid]));
  const times = events.map(({ elapsedMs }) => elapsedMs);
  for (const [index, time] of times.slice(1).entries()) {
    expect(time).toBeGreaterThanOrEqual((times[index] ?? 0) + 10);
  }
});

test('a root that nobody has reaped yet is waited for before a hook is called', async () => {
  const ready = join(await scope.directory(), 'ready');
  const parent = await startShell(scope, `setsid ${await workloadBinary()} ${ready} idle & wait`);
  const { pid } = await until('the workload is ready', () =>
    existsSync(ready) ? allProcesses().find((one) => one.parent === parent.pid) : undefined,
  );
  process.kill(parent.pid, 'SIGSTOP');
  await reachesState(parent.pid, 'T');
  const imagePath = join(await scope.directory(), 'images');
  await dump(pid, { imagePath });
  expect(processState(pid)?.state).toBe('Z');
  const reached: string[] = [];
  const restored = restoreOk(scope, imagePath, {
    hooks: everywhere((event) => reached.push(event.hook)),
  });
  await sleep(100);
  expect(reached).toEqual([]);
  process.kill(parent.pid, 'SIGCONT');
  await restored;
  expect(reached.filter((stage) => stage === 'preRestore')).toHaveLength(1);
});

describe('a veto of a restore', () => {
  test.each(['preRestore', 'setupNamespaces', 'postSetupNamespaces', 'postRestore'] as const)(
    'by %s leaves nothing of the tasks',
    async (stage) => {
      const { imagePath, pid } = await imagesWithNamespace();
      for (const restoreSibling of [false, true]) {
        const cause = new Error('not now');
        const reached: string[] = [];
        const hooks = everywhere(async (event) => {
          reached.push(event.hook);
          if (event.hook === stage) throw cause;
        });
        const error = await restoreFails(imagePath, { hooks, restoreSibling });
        expect(error.code).toBe('ERR_CRIU_VETOED');
        expect(error.message).toContain(`hooks.${stage}: not now`);
        expect(error.cause).toBe(cause);
        expect(reached).toEqual(stages.slice(0, stages.indexOf(stage) + 1));
        // A child of ours is reaped by us, another by an init that takes its time.
        if (restoreSibling) expect(processState(pid)).toBeUndefined();
        else expect(isAlive(pid)).toBe(false);
        await until('nothing is left', () => processState(pid) === undefined, 20_000);
      }
      await restoreOk(scope, imagePath);
    },
  );

  test.each(['networkUnlock', 'preResume', 'postResume'] as const)(
    'by %s comes too late',
    async (stage) => {
      const { imagePath, pid } = await imagesWithNamespace();
      const hooks: RestoreHooks = {
        [stage]: () => {
          throw new Error('too late');
        },
      };
      await restoreOk(scope, imagePath, { hooks });
      expect(isAlive(pid)).toBe(true);
    },
  );
});

describe('a restore that is given up', () => {
  test.each(['preRestore', 'postRestore'] as const)(
    'in %s by timeoutMs leaves nothing of the tasks',
    async (stage) => {
      const { imagePath, pid } = await imagesWithNamespace();
      const hooks = { [stage]: never };
      const error = await restoreFails(imagePath, { hooks, timeoutMs: 300, restoreSibling: true });
      expect(error).toMatchObject({ code: 'ERR_CRIU_TIMEOUT', operation: 'restore' });
      expect(processState(pid)).toBeUndefined();
    },
  );

  test('by its signal leaves nothing of the tasks', async () => {
    const { imagePath, pid } = await imagesWithNamespace();
    const controller = new AbortController();
    let told = false;
    const postRestore = ({ signal }: HookEvent<'postRestore'>): Promise<void> => {
      controller.abort();
      told = signal.aborted;
      return never();
    };
    const { signal } = controller;
    await expect(
      restoreOk(scope, imagePath, { hooks: { postRestore }, signal }),
    ).rejects.toMatchObject({ name: 'AbortError', code: 'ABORT_ERR' });
    expect(told).toBe(true);
    expect(processState(pid)).toBeUndefined();
  });

  test('before it has begun leaves not even a log', async () => {
    const { imagePath } = await imagesWithNamespace();
    await expect(
      restoreOk(scope, imagePath, { signal: AbortSignal.abort() }),
    ).rejects.not.toBeInstanceOf(CriuError);
    expect(existsSync(`${imagePath}/restore.log`)).toBe(false);
  });
});
