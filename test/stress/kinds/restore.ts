import { rm } from 'node:fs/promises';
import { sleep, until } from '../../helpers/system/exec.js';
import { allProcesses, type ProcessState } from '../../helpers/system/process.js';
import { type Bench, continueAll, livesOn, looksComplete } from '../bench.js';
import type { Kind } from '../kind.js';
import { send } from '../subject.js';
import { boundMs, isOurCode, type Trial } from '../trial.js';
import { timeoutMs } from './common.js';

const hooks = ['preRestore', 'postRestore', 'preResume', 'postResume'] as const;
type Fault = 'criu SIGKILL' | 'criu SIGSTOP' | 'Node SIGKILL';

/**
 * A fault in the middle of a restore. Afterwards either the tasks are back and whole, or nothing of
 * them is there and the images bring them back at the next try.
 */
async function restoreWith(
  bench: Bench,
  fault: Fault,
  at: string | number,
): Promise<Trial | undefined> {
  const target = await bench.target('process');
  const imagePath = bench.path('images');
  const trial: Trial = {
    fault: `${fault} ${typeof at === 'number' ? `${at.toFixed(1)} ms after the call` : `at ${at}`} of a restore`,
    losses: [],
    leaks: [],
    beyond: [],
    endMs: 0,
  };
  let subject = await bench.subject();
  const dumped = await subject.call('dump', target.pid, { imagePath });
  if (!dumped.ok) throw new Error(`no images to restore: ${dumped.error?.message}`);
  await until(
    'the target is gone',
    async () => (await target.examine(0, { thorough: false })).gone,
  );
  const start = performance.now();
  const running = subject.perform({
    call: 'restore',
    target: imagePath,
    options: fault === 'criu SIGSTOP' ? { timeoutMs } : {},
    hooks: typeof at === 'string' ? [at] : [],
  });
  const moment =
    typeof at === 'string' ? running.reaches(at) : running.started.then(() => sleep(at));
  const early = await Promise.race([moment.then(() => undefined), running.settled]);
  if (early && typeof at === 'string')
    trial.losses.push(`never came to ${at}: ${early.error?.message}`);
  const started = [...subject.crius, ...(subject.guard === undefined ? [] : [subject.guard])];
  if (fault === 'Node SIGKILL') subject.kill('SIGKILL');
  else for (const pid of subject.crius) send(pid, fault === 'criu SIGKILL' ? 'SIGKILL' : 'SIGSTOP');
  const injected = performance.now();
  if (typeof at === 'string') running.resume(at);
  const due = fault === 'criu SIGSTOP' ? Math.max(injected, start + timeoutMs) : injected;
  const outcome = await Promise.race([
    running.settled,
    sleep(due + (fault === 'criu SIGSTOP' ? boundMs : 10_000) - performance.now()).then(
      () => 'pending' as const,
    ),
  ]);
  trial.endMs = Math.max(0, performance.now() - due);
  if (outcome === 'pending') trial.losses.push('the call is pending 2 s after its end was due');
  const failed = outcome !== 'pending' && outcome !== undefined && !outcome.ok;
  if (failed && !isOurCode(outcome.error?.code)) {
    trial.losses.push(`an error without a code of ours: ${outcome.error?.message}`);
  }
  if (outcome === 'pending') {
    continueAll(started);
    const done = await Promise.race([
      running.settled.then(() => true),
      sleep(3_000).then(() => false),
    ]);
    if (!done) await bench.replaceSubject();
  }
  if (fault === 'Node SIGKILL') {
    await until('all is gone', () => livesOn(started).length === 0, 5_000).catch(() => {
      trial.losses.push(...livesOn(started).map((line) => `5 s later ${line}`));
    });
  }
  const succeeded = outcome !== 'pending' && outcome?.ok === true;
  const condition = await target.examine(failed || succeeded ? 300 : 2_000);
  if (failed && !condition.gone) {
    trial.losses.push(
      `a task of a restore that has failed is there: ${condition.damages.join(', ') || 'and runs'}`,
    );
  } else if (!condition.gone) {
    trial.losses.push(...condition.damages.map((text) => `of the restored task: ${text}`));
  } else if (succeeded) {
    trial.losses.push('the restored tasks are gone');
  }
  trial.losses.push(...subject.strays.splice(0));
  trial.leaks.push(...(await bench.leaks()));
  // One that was being started when Node was killed finds nobody at its socket, and ends.
  await until('no criu is left', () => orphanedCrius().length === 0, 5_000).catch(() => {});
  const orphans = started.length > 0 ? orphanedCrius() : [];
  trial.leaks.push(...orphans.map(({ pid, state }) => `a process: criu ${pid} ${state}, of init`));
  for (const { pid } of orphans) send(pid, 'SIGKILL');
  continueAll(started);
  // In whatever way it went: from its images it comes back.
  send(target.pid, 'SIGKILL');
  await until('the task is gone', async () => (await target.examine(0, { thorough: false })).gone);
  if (!looksComplete(imagePath)) trial.losses.push('the images are not complete any more');
  subject = await bench.subject();
  await until(
    'what was killed is gone',
    () => subject.crius.every((pid) => !livesOn([pid]).join().includes('state T')),
    2_000,
  ).catch(() => {});
  let again = await subject.call('restore', imagePath);
  // The spare may have been killed with the others, and be found dead only now.
  if (again.error?.code === 'ERR_CRIU_DIED') again = await subject.call('restore', imagePath);
  if (!again.ok) trial.losses.push(`does not come back at the next try: ${again.error?.message}`);
  await bench.drop(target);
  await rm(imagePath, { recursive: true, force: true });
  return trial;
}

/** Those that nobody waits for any more. */
function orphanedCrius(): ProcessState[] {
  return allProcesses().filter(
    ({ name, parent, state }) => name === 'criu' && state !== 'Z' && parent === 1,
  );
}

async function* atHooks(bench: Bench, fault: Fault): AsyncGenerator<Trial> {
  for (const hook of hooks) {
    const trial = await restoreWith(bench, fault, hook);
    if (trial) yield trial;
  }
}

async function* anyTime(bench: Bench, fault: Fault): AsyncGenerator<Trial> {
  for (let round = 0; round < bench.rounds; round++) {
    const trial = await restoreWith(bench, fault, bench.random() * 30);
    if (trial) yield trial;
  }
}

export const restoreKinds: Kind[] = [
  {
    name: 'restore',
    what: 'the same of restores, at every notification',
    async *run(bench) {
      for (const fault of ['criu SIGKILL', 'criu SIGSTOP', 'Node SIGKILL'] as const) {
        yield* atHooks(bench, fault);
      }
    },
  },
  {
    name: 'restore-any',
    what: 'the same of restores, at any moment',
    async *run(bench) {
      for (const fault of ['criu SIGKILL', 'criu SIGSTOP', 'Node SIGKILL'] as const) {
        yield* anyTime(bench, fault);
      }
    },
  },
];
