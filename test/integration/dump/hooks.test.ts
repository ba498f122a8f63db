import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { beforeAll, describe, expect, test } from 'vitest';
import { checkpoint, type HookEvent, type Hooks } from '../../helpers/api.js';
import { dumpOk } from '../../helpers/criu/attempt.js';
import { requireNeeds } from '../../helpers/needs.js';
import { optionTest } from '../../helpers/option-test.js';
import { failureOf } from '../../helpers/rejection.js';
import { useScope } from '../../helpers/scope.js';
import { never } from '../../helpers/system/exec.js';
import {
  assertNoLeak,
  firewallRules,
  hasSpare,
  settledHoldings,
} from '../../helpers/system/leaks.js';
import { startWorkload } from '../../helpers/system/process.js';
import { type Container, startContainer } from '../../helpers/workloads/container.js';

const scope = useScope();
beforeAll(() => requireNeeds('root', 'criu', 'libcriu', 'runc', 'busybox', 'gcc'));

const stages = ['preDump', 'networkLock', 'queryExtFiles', 'postDump', 'networkUnlock'] as const;

function save(container: Container, hooks: Hooks, more = {}): Promise<unknown> {
  return checkpoint(container.id, {
    stateRoot: container.stateRoot,
    imagePath: container.path('images'),
    leaveRunning: true,
    hooks,
    ...more,
  });
}

optionTest('hooks', 'are called in order, while the container stands still', async () => {
  const container = await startContainer(scope);
  const events: HookEvent[] = [];
  const frozen: string[] = [];
  const hook = async (event: HookEvent): Promise<void> => {
    frozen.push(container.freezer);
    await sleep(20);
    events.push(event);
  };
  await save(container, {
    preDump: hook,
    queryExtFiles: async (event) => {
      await hook(event);
      return undefined;
    },
    networkLock: hook,
    postDump: async (event) => {
      expect(existsSync(container.path('images/inventory.img'))).toBe(true);
      await hook(event);
    },
    networkUnlock: hook,
  });
  expect(events.map(({ hook }) => hook)).toEqual(stages);
  expect(events.every((event) => event.frozen)).toBe(true);
  expect(frozen[0]).toBe('FROZEN');
  for (const [index, { elapsedMs }] of events.entries()) {
    expect(elapsedMs).toBeGreaterThanOrEqual((events[index - 1]?.elapsedMs ?? 0) + 10);
  }
  expect(container.freezer).toBe('THAWED');
  await container.countsOn();
});

test('a process without a freezer is not frozen yet at preDump', async () => {
  const { pid } = await startWorkload(scope, ['idle']);
  const seen: [string, boolean][] = [];
  const hook = ({ hook: name, frozen }: HookEvent): undefined => {
    seen.push([name, frozen]);
  };
  await dumpOk(scope, pid, { hooks: { preDump: hook, queryExtFiles: hook, postDump: hook } });
  expect(seen).toEqual([
    ['preDump', false],
    ['queryExtFiles', true],
    ['postDump', true],
  ]);
});

test('queryExtFiles may name external resources', async () => {
  const { pid } = await startWorkload(scope, ['idle']);
  const { log } = await dumpOk(scope, pid, { hooks: { queryExtFiles: () => ['file[1:2]:3'] } });
  expect(log.has(/Adding external object: file\[1:2\]:3/)).toBe(true);
});

describe('a veto of a dump', () => {
  test.each(['preDump', 'queryExtFiles', 'networkLock', 'postDump'] as const)(
    'by %s rolls back',
    async (stage) => {
      const container = await startContainer(scope);
      await save(container, {}, { imagePath: container.path('warm-up') });
      const held = await settledHoldings([container.pid], hasSpare);
      const cause = new Error('not now');
      const reached: string[] = [];
      const hooks = Object.fromEntries(
        stages.map((name) => [
          name,
          async () => {
            reached.push(name);
            if (name === stage) throw cause;
          },
        ]),
      );
      const error = await failureOf(save(container, hooks, { networkLock: 'nftables' }));
      expect(error.code).toBe('ERR_CRIU_VETOED');
      expect(error.message).toContain(`hooks.${stage}: not now`);
      expect(error.cause).toBe(cause);
      expect(error.stage).toBe(stage);
      expect(reached.slice(0, stages.indexOf(stage) + 1)).toEqual(
        stages.slice(0, stages.indexOf(stage) + 1),
      );
      expect(container.freezer).toBe('THAWED');
      await container.countsOn();
      expect(await firewallRules(container.pid)).not.toMatch(/criu/i);
      await assertNoLeak(held, [container.pid]);
      expect(readdirSync(container.path('images')).filter((name) => name !== 'dump.log')).toEqual(
        [],
      );
    },
  );

  test('by networkUnlock comes too late', async () => {
    const container = await startContainer(scope);
    const hooks: Hooks = {
      networkUnlock: () => {
        throw new Error('too late');
      },
    };
    await save(container, hooks);
    await container.countsOn();
    expect(existsSync(join(container.path('images'), 'inventory.img'))).toBe(true);
  });

  test('is also an answer of queryExtFiles that cannot be used', async () => {
    const { pid } = await startWorkload(scope, ['idle']);
    const bad = (() => [7]) as unknown as NonNullable<Hooks['queryExtFiles']>;
    const error = await failureOf(dumpOk(scope, pid, { hooks: { queryExtFiles: bad } }));
    expect(error.code).toBe('ERR_CRIU_VETOED');
    expect(error.cause).toMatchObject({ code: 'ERR_INVALID_ARG_TYPE' });
  });
});

describe('a handler that never settles', () => {
  test.each(['preDump', 'queryExtFiles', 'postDump'] as const)(
    'in %s is bounded by timeoutMs',
    async (stage) => {
      const container = await startContainer(scope);
      const error = await failureOf(save(container, { [stage]: never }, { timeoutMs: 300 }));
      expect(error.code).toBe('ERR_CRIU_TIMEOUT');
      expect(container.freezer).toBe('THAWED');
      await container.countsOn();
    },
  );

  test('is told by its signal when the operation is aborted', async () => {
    const container = await startContainer(scope);
    const controller = new AbortController();
    let told = false;
    const postDump = ({ signal }: HookEvent): Promise<undefined> => {
      controller.abort();
      told = signal.aborted;
      return never();
    };
    const { signal } = controller;
    await expect(save(container, { postDump }, { signal })).rejects.toMatchObject({
      name: 'AbortError',
      code: 'ABORT_ERR',
    });
    expect(told).toBe(true);
    await container.countsOn();
  });
});
