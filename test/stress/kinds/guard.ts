import { rm } from 'node:fs/promises';
import { sleep, until } from '../../helpers/system/exec.js';
import { type Bench, continueAll } from '../bench.js';
import type { Kind } from '../kind.js';
import { send } from '../subject.js';
import { boundMs, type Plan, type Trial } from '../trial.js';
import { anyTime, dumpHooks, each, timeoutMs } from './common.js';

/** No dump needs it, so that none may suffer. */
function plan(
  signal: 'SIGKILL' | 'SIGSTOP',
  target: 'isolated' | 'container',
  at: string | number,
): Plan {
  const when = typeof at === 'number' ? `${at.toFixed(1)} ms after the call for` : `at ${at} of`;
  return {
    fault: `${signal} to the guard ${when} ${target}`,
    target,
    at,
    mustSucceed: true,
    inject: ({ subject }) => send(subject.guard, signal),
  };
}

function* atHooks(): Generator<Plan> {
  for (const signal of ['SIGKILL', 'SIGSTOP'] as const) {
    for (const target of ['isolated', 'container'] as const) {
      for (const hook of dumpHooks) yield plan(signal, target, hook);
    }
  }
}

/** Its socket takes some messages that it does not read. None after them may wait for it. */
async function* stoppedForLong(bench: Bench): AsyncGenerator<Trial> {
  const target = await bench.target('isolated');
  const subject = await bench.subject();
  const { guard } = subject;
  const trial: Trial = {
    fault: 'SIGSTOP to the guard, then 120 dumps',
    losses: guard === undefined ? ['there is no guard'] : [],
    leaks: [],
    beyond: [],
    endMs: 0,
  };
  send(guard, 'SIGSTOP');
  for (let number = 1; number <= 120 && trial.losses.length === 0; number++) {
    const imagePath = bench.path('images');
    const options = { leaveRunning: true, imagePath, timeoutMs, ...target.options };
    const running = subject.perform({ call: 'dump', target: target.key, options });
    const settled = await Promise.race([
      running.settled,
      sleep(timeoutMs + boundMs).then(() => 'pending' as const),
    ]);
    if (settled === 'pending')
      trial.losses.push(`dump ${number} is pending after timeoutMs and 2 s`);
    else if (!settled?.ok)
      trial.losses.push(`dump ${number} has failed: ${settled?.error?.message}`);
    await rm(imagePath, { recursive: true, force: true });
  }
  const { damages } = await target.examine(500);
  trial.losses.push(...damages);
  if (!(await subject.answers(1_000))) trial.losses.push('the event loop stands still');
  const closed = await Promise.race([
    subject.call('close').then(
      () => true,
      () => true,
    ),
    sleep(boundMs).then(() => false),
  ]);
  if (!closed) trial.losses.push('close() is pending after 2 s');
  else if (!(await subject.answers(2_000))) trial.losses.push('close() holds the event loop');
  if (guard !== undefined) continueAll([guard]);
  await bench.replaceSubject();
  if (damages.length > 0) await bench.drop(target);
  yield trial;
}

/** Killed between two dumps: the next one must have another. */
async function* killedBetween(bench: Bench): AsyncGenerator<Trial> {
  const target = await bench.target('isolated');
  const subject = await bench.subject();
  const trial: Trial = {
    fault: 'SIGKILL to the guard between dumps',
    losses: [],
    leaks: [],
    beyond: [],
    endMs: 0,
  };
  for (let round = 0; round < 5; round++) {
    send(subject.guard, 'SIGKILL');
    const imagePath = bench.path('images');
    const settled = await subject.call('dump', target.key, {
      leaveRunning: true,
      imagePath,
      ...target.options,
    });
    if (!settled.ok) trial.losses.push(`the next dump fails: ${settled.error?.message}`);
    await until('there is another guard', () => subject.guard !== undefined, 1_000).catch(() => {
      trial.losses.push('the next dump has no guard');
    });
    await rm(imagePath, { recursive: true, force: true });
  }
  trial.leaks.push(...(await bench.leaks()));
  yield trial;
}

export const guardKinds: Kind[] = [
  {
    name: 'guard',
    what: 'SIGKILL and SIGSTOP to the guard at every notification, and between dumps',
    async *run(bench) {
      yield* each(bench, atHooks());
      yield* killedBetween(bench);
      yield* stoppedForLong(bench);
    },
  },
  {
    name: 'guard-any',
    what: 'SIGKILL to the guard at any moment',
    run: (bench) =>
      anyTime(bench, ['isolated', 'container'], (target, at) =>
        plan('SIGKILL', target === 'container' ? target : 'isolated', at),
      ),
  },
];
