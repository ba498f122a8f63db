import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  type CheckpointOptions,
  checkpoint,
  type DumpOptions,
  dump,
  type HookName,
} from '../../helpers/api.js';
import { requireNeeds } from '../../helpers/needs.js';
import { distIndex } from '../../helpers/paths.js';
import { Scope, useScope } from '../../helpers/scope.js';
import { sleep, until } from '../../helpers/system/exec.js';
import { firewallRules } from '../../helpers/system/leaks.js';
import { useLargePipes } from '../../helpers/system/network.js';
import { patientMs } from '../../helpers/system/patience.js';
import { freePort } from '../../helpers/system/port.js';
import {
  allProcesses,
  isAlive,
  processState,
  reachesState,
  startWorkload,
  tracerOf,
  tracesOf,
} from '../../helpers/system/process.js';
import { type Container, startContainer, uniqueId } from '../../helpers/workloads/container.js';
import {
  childrenNamed,
  criuWriting,
  isGone,
  startHeavyContainer,
} from '../../helpers/workloads/heavy-container.js';

const scope = useScope();
beforeAll(() => requireNeeds('root', 'criu', 'libcriu', 'build', 'runc', 'busybox', 'gcc'));

/** What the container may stand still after the Node process has been killed. */
const limitMs = 100;
/** What a machine that stands still itself may add to it, now and then. */
const stallMs = 1_000;

/** Dumps `[id or pid, options, hook]` each; says "held" in the named hook, and stays in it. */
const script = `
  import { checkpoint, dump } from ${JSON.stringify(distIndex)};
  const held = () => {
    process.stdout.write('held\\n');
    return new Promise((resolve) => setTimeout(resolve, 60_000));
  };
  await Promise.all(
    JSON.parse(process.argv[1]).map(([target, options, hook]) =>
      (typeof target === 'number' ? dump : checkpoint)(target, {
        ...options,
        hooks: hook ? { [hook]: held } : {},
      }),
    ),
  );
`;

type Job = [target: Container | number, imagePath: string, hook?: HookName, more?: DumpOptions];

/** A Node process that dumps containers and processes, to be killed. */
async function startVictim(...jobs: Job[]): Promise<ChildProcess> {
  const given = jobs.map(([target, imagePath, hook, more = { leaveRunning: true }]) => {
    const options = { imagePath, ...more };
    if (typeof target === 'number') return [target, options, hook];
    return [target.id, { ...options, stateRoot: target.stateRoot }, hook];
  });
  const args = ['--input-type=module', '-e', script, '--', JSON.stringify(given)];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  scope.defer(() => child.kill('SIGKILL'));
  await once(child, 'spawn');
  return child;
}

async function isHeld(child: ChildProcess): Promise<void> {
  let text = '';
  child.stdout?.on('data', (chunk: Buffer) => {
    text += chunk.toString();
  });
  await until('the hook is reached', () => text.includes('held'));
}

/** Kills and gives what it had started: criu, the spare, the guard. */
async function killVictim(child: ChildProcess): Promise<number[]> {
  if (child.exitCode !== null) return [];
  const exited = once(child, 'exit');
  const started = allProcesses().filter(({ parent }) => parent === child.pid);
  child.kill('SIGKILL');
  await exited;
  return started.filter(({ name }) => /^criu(_guard)?$/.test(name)).map(({ pid }) => pid);
}

/**
 * Watches the freezer until these processes have ended, and a while longer.
 *
 * @returns the longest time in ms for which it was seen other than thawed, and its last state.
 */
async function longestFreeze(
  container: Container,
  started: readonly number[],
): Promise<{ longestMs: number; last: string }> {
  let longestMs = 0;
  let since: number | undefined;
  let last = '';
  let end = Number.POSITIVE_INFINITY;
  const deadline = performance.now() + patientMs(10_000);
  for (let now = performance.now(); now < end; now = performance.now()) {
    last = container.freezer;
    since = last === 'THAWED' ? undefined : (since ?? now);
    longestMs = Math.max(longestMs, now - (since ?? now));
    if (end === Number.POSITIVE_INFINITY && !started.some(isAlive)) end = now + 150;
    if (now > deadline) throw new Error(`still there: ${started.filter(isAlive).join(', ')}`);
    await sleep(1);
  }
  return { longestMs, last };
}

/** @returns the time in ms for which it stood still. */
async function expectReleased(container: Container, started: readonly number[]): Promise<number> {
  const { longestMs, last } = await longestFreeze(container, started);
  expect(longestMs).toBeLessThan(patientMs(limitMs + stallMs));
  expect(last).toBe('THAWED');
  expect(await container.status()).toBe('running');
  expect(await firewallRules(container.pid)).not.toMatch(/criu/i);
  await container.countsOn();
  return longestMs;
}

describe('a container is thawed after kill -9 of the Node process', () => {
  const shared = new Scope();
  let container: Container;
  beforeAll(async () => {
    container = await startHeavyContainer(shared, { mebibytes: 96 });
  });
  afterAll(() => shared.close());

  test('at 20 moments of the dump, within 100 ms, and nothing is left', async () => {
    const imagePath = container.path('images');
    const options: CheckpointOptions = {
      stateRoot: container.stateRoot,
      leaveRunning: true,
      imagePath,
    };
    await checkpoint(container.id, { ...options, imagePath: container.path('warm-up') });
    const { timings } = await checkpoint(container.id, options);
    const { pauseMs = 0 } = timings;
    expect(pauseMs).toBeGreaterThan(20);
    let spread = 0.9;
    let late = 0;
    for (let round = 0; round < 20; ) {
      await rm(imagePath, { recursive: true, force: true });
      const child = await startVictim([container, imagePath]);
      const isStill = (): boolean =>
        container.freezer !== 'THAWED' || tracerOf(container.pid) !== undefined;
      await until('the container stands still', () => isStill() || child.exitCode !== null);
      await sleep((pauseMs * spread * round) / 20);
      const inTime = isStill();
      const started = await killVictim(child);
      if (!inTime) {
        // Faster than before; no later round may miss it again.
        spread *= 0.8;
        for (const pid of started) await isGone(pid);
        continue;
      }
      expect(started.length).toBeGreaterThan(0);
      // A guard that is late is so at this moment again, a machine that stood still is not.
      if ((await expectReleased(container, started)) > patientMs(limitMs)) late += 1;
      else {
        round += 1;
        late = 0;
      }
      expect(late).toBeLessThan(5);
    }
  });

  const stages: HookName[] = ['preDump', 'networkLock', 'queryExtFiles', 'postDump'];
  test.each(stages)('while CRIU waits at %s', async (hook) => {
    const child = await startVictim([container, container.path(`at-${hook}`), hook]);
    await isHeld(child);
    await expectReleased(container, await killVictim(child));
  });

  test('while lazy pages are served', async () => {
    useLargePipes(scope);
    const serving = { lazyPages: true, pageServer: `127.0.0.1:${await freePort()}` };
    const child = await startVictim([container, container.path('lazy'), 'statusReady', serving]);
    await isHeld(child);
    expect(await firewallRules(container.pid)).toMatch(/criu/i);
    const started = await killVictim(child);
    for (const pid of started) await isGone(pid);
    await expectReleased(container, []);
  });

  test('but stays paused if it was paused', async () => {
    await container.pause();
    scope.defer(() => container.runc('resume', container.id));
    const imagePath = container.path('paused');
    // The hook: a dump that is not seen in time waits at its end.
    const child = await startVictim([container, imagePath, 'postDump']);
    await criuWriting(container, imagePath);
    const started = await killVictim(child);
    for (const pid of started) await isGone(pid);
    await until('it is frozen', () => container.freezer === 'FROZEN');
    expect(await container.status()).toBe('paused');
  });

  test('but stays paused if the user pauses it afterwards', async () => {
    const child = await startVictim([container, container.path('paused-after'), 'preDump']);
    await isHeld(child);
    const started = await killVictim(child);
    for (const pid of started) await isGone(pid);
    await container.pause();
    scope.defer(() => container.runc('resume', container.id));
    await sleep(200);
    expect(container.freezer).toBe('FROZEN');
  });

  test('although the criu of another container is stopped, and that one as well', async () => {
    const hanging = await startHeavyContainer(scope, { mebibytes: 96, id: `a-${uniqueId()}` });
    const other = await startContainer(scope, { id: `b-${uniqueId()}` });
    const child = await startVictim(
      [hanging, hanging.path('images'), 'postDump'],
      [other, other.path('images'), 'postDump'],
    );
    const criu = await until('criu has both', () => {
      const [first, second] = [tracerOf(hanging.pid), tracerOf(other.pid)];
      return first !== undefined && second !== undefined && first !== second
        ? [first, second]
        : undefined;
    });
    await isHeld(child);
    const [first = 0, second = 0] = criu;
    process.kill(first, 'SIGSTOP');
    scope.defer(() => isAlive(first) && process.kill(first, 'SIGCONT'));
    const started = await killVictim(child);
    await expectReleased(other, [second]);
    // The guard has it go on.
    await expectReleased(hanging, started);
  });
});

test('a process goes on as it was after kill -9 of the Node process at 20 moments of its dump', async () => {
  const { pid } = await startWorkload(scope, ['memory', 256]);
  const before = tracesOf(pid);
  const directory = await scope.directory();
  // The shortest of some: a machine that stands still makes one of them longer.
  let fullMs = Number.POSITIVE_INFINITY;
  for (const name of ['one', 'two', 'three']) {
    const begun = performance.now();
    await dump(pid, { imagePath: join(directory, name), leaveRunning: true });
    fullMs = Math.min(fullMs, performance.now() - begun);
    await rm(join(directory, name), { recursive: true });
  }
  let finished = 0;
  for (let round = 0; round < 20; round++) {
    const imagePath = join(directory, `${round}`);
    const child = await startVictim([pid, imagePath]);
    await until(
      'criu holds the process',
      () => tracerOf(pid) !== undefined || child.exitCode === 0,
    );
    await sleep((fullMs * 0.8 * round) / 20);
    const inTime = tracerOf(pid) !== undefined;
    for (const started of await killVictim(child)) await isGone(started);
    await reachesState(pid, 'S');
    expect(tracesOf(pid)).toEqual(before);
    if (inTime && round < 10 && readdirSync(imagePath).includes('inventory.img')) finished += 1;
    await rm(imagePath, { recursive: true, force: true });
  }
  // What criu had not finished it did not go on with, unless the machine kept the guard waiting.
  expect(finished).toBeLessThan(3);
});

const guards = (): number[] => childrenNamed('criu_guard');

describe('when the guard itself is killed', () => {
  const save = (container: Container, name: string, more: CheckpointOptions = {}) =>
    checkpoint(container.id, {
      stateRoot: container.stateRoot,
      imagePath: container.path(name),
      leaveRunning: true,
      ...more,
    });

  test('the next checkpoint starts another one and leaves no zombie', async () => {
    const container = await startContainer(scope);
    await save(container, 'first');
    const [first = 0] = guards();
    expect(guards()).toHaveLength(1);
    process.kill(first, 'SIGKILL');
    await isGone(first);
    await save(container, 'second');
    expect(container.freezer).toBe('THAWED');
    await container.countsOn();
    expect(guards()).toHaveLength(1);
    expect(guards()).not.toEqual([first]);
    expect(processState(first)).toBeUndefined();
  });

  test('in the middle of a dump, the checkpoint succeeds all the same', async () => {
    const container = await startContainer(scope);
    await save(container, 'first');
    const hooks = {
      postDump: async () => {
        for (const pid of guards()) {
          process.kill(pid, 'SIGKILL');
          await isGone(pid);
        }
      },
    };
    await save(container, 'second', { hooks });
    expect(container.freezer).toBe('THAWED');
    await container.countsOn();
    await save(container, 'third');
    expect(guards()).toHaveLength(1);
  });

  test('it was one process for all checkpoints, and held nothing of ours open', async () => {
    const container = await startContainer(scope);
    for (const name of ['first', 'second', 'third']) await save(container, name);
    const [pid = 0] = guards();
    expect(guards()).toHaveLength(1);
    // It hears of the end of the last a moment later.
    const open = (): string => readdirSync(`/proc/${pid}/fd`).sort().join();
    await until('it has let go of the last criu', () => open() === '0,1,2');
  });
});
