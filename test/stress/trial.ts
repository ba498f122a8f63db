import { rm } from 'node:fs/promises';
import { errorCodes } from '../../lib/base/errors.js';
import { sleep, until } from '../helpers/system/exec.js';
import { type Bench, continueAll, livesOn, looksComplete } from './bench.js';
import type { Performance, Request, Settled, Subject } from './subject.js';
import type { Target, TargetKind } from './targets.js';

/** What came of one fault. */
export interface Trial {
  /** What was done, and when. */
  fault: string;
  /** Promises of ours that were broken, a sentence each. */
  losses: string[];
  /** What was left behind. */
  leaks: string[];
  /** What CRIU itself cannot keep, under the same fault. */
  beyond: string[];
  /** From the fault, or the end of `timeoutMs`, until the call has settled and the tasks run. */
  endMs: number;
}

/** What a call has promised to the caller who gives it `timeoutMs` or `signal`. */
export const boundMs = 2_000;
/** Without either: what we start and can be seen to be dead or stopped is not waited for. */
const unboundedMs = 10_000;
/** A machine that is busy may be late by this. */
const slackMs = 300;

/** Whether a call may fail with it: one of the package, or that it was aborted. */
export function isOurCode(code: string | undefined): boolean {
  return code === 'ABORT_ERR' || (errorCodes as readonly unknown[]).includes(code);
}

/** One fault in the middle of one call. */
export interface Plan {
  fault: string;
  target: TargetKind;
  options?: Record<string, unknown>;
  /** On a worker thread. */
  inWorker?: boolean;
  /** A hook that is held while the fault is injected, or milliseconds after the call. */
  at: string | number;
  inject: (context: Context) => unknown;
  /** Whether the hook goes on after the fault; a handler that is stuck is the fault otherwise. */
  resumes?: boolean;
  /** What the tasks may take to be let go, where there is neither `timeoutMs` nor an end to wait for. */
  limitMs?: number;
  /** Whether the process under stress ends by it. */
  endsSubject?: boolean;
  /** Whether the call's end is of interest: none that was in a thread which is gone. */
  endsCall?: boolean;
  /** The dump is to succeed all the same. */
  mustSucceed?: boolean;
  /** Damages for which CRIU alone answers: of a criu that was killed while its code ran in the tasks. */
  isBeyond?: (damage: string) => boolean;
  /** Where the images may be as well, when somebody has moved them. */
  movedTo?: (imagePath: string) => string;
  /** More to be looked at when all is over. */
  afterwards?: (context: Context, settled: Settled | undefined) => Promise<string[]> | string[];
}

/** What an injection works on. */
export interface Context {
  subject: Subject;
  target: Target;
  imagePath: string;
  running: Performance;
  /** Every criu and the guard of the process under stress, at the moment of the fault. */
  started: number[];
}

/**
 * Injects one fault into one call, and looks at everything that must hold then.
 *
 * @returns undefined when the call was over before the fault.
 */
export async function inject(bench: Bench, plan: Plan): Promise<Trial | undefined> {
  const target = await bench.target(plan.target);
  const subject = await bench.subject();
  const imagePath = bench.path('images');
  const options = { leaveRunning: true, imagePath, ...target.options, ...plan.options };
  const request: Omit<Request, 'id'> = {
    call: target.call,
    target: target.key,
    options,
    hooks: typeof plan.at === 'string' ? [plan.at] : [],
    ...(plan.inWorker ? { inWorker: true } : {}),
  };
  const start = performance.now();
  const running = subject.perform(request);
  let over = false;
  void running.settled.then(() => {
    over = true;
  });
  const moment =
    typeof plan.at === 'string'
      ? running.reaches(plan.at)
      : running.started.then(() => sleep(plan.at as number));
  await Promise.race([moment, running.settled]);
  const context: Context = { subject, target, imagePath, running, started: [] };
  if (over) {
    const settled = await running.settled;
    await rm(imagePath, { recursive: true, force: true });
    if (typeof plan.at !== 'string') return undefined;
    const why = settled?.error?.message ?? 'it has succeeded';
    return {
      fault: plan.fault,
      losses: [`never came to ${plan.at}: ${why}`],
      leaks: [],
      beyond: [],
      endMs: 0,
    };
  }
  context.started = [...subject.crius, ...(subject.guard === undefined ? [] : [subject.guard])];
  await plan.inject(context);
  const injected = performance.now();
  if (typeof plan.at === 'string' && plan.resumes !== false) running.resume(plan.at);
  return await judge(bench, plan, context, { start, injected, options });
}

async function judge(
  bench: Bench,
  plan: Plan,
  context: Context,
  {
    start,
    injected,
    options,
  }: { start: number; injected: number; options: Record<string, unknown> },
): Promise<Trial> {
  const { subject, target, running, imagePath } = context;
  const trial: Trial = { fault: plan.fault, losses: [], leaks: [], beyond: [], endMs: 0 };
  const { timeoutMs } = options as { timeoutMs?: number };
  const due = timeoutMs === undefined ? injected : Math.max(injected, start + timeoutMs);
  const limit = due + (plan.limitMs ?? (timeoutMs === undefined ? unboundedMs : boundMs)) + slackMs;
  const left = (): number => Math.max(0, limit - performance.now());
  const end = plan.endsSubject ? subject.gone.then(() => undefined) : running.settled;
  const pending = Symbol();
  const settled = await Promise.race([end, sleep(left()).then(() => pending)]);
  if (settled === pending) {
    trial.losses.push(
      `the call is pending ${Math.round(performance.now() - due)} ms after its end was due`,
    );
  }
  // Tasks that are gone are told from those that are held, and both before anybody is helped.
  const condition = await target.examine(Math.max(left(), 200));
  trial.endMs = Math.max(0, performance.now() - due);
  const outcome = settled === pending ? undefined : (settled as Settled | undefined);
  for (const damage of condition.damages) {
    (plan.isBeyond?.(damage) ? trial.beyond : trial.losses).push(damage);
  }
  trial.beyond.push(...condition.traces);
  if (settled !== pending) judgeOutcome(plan, context, outcome, trial);
  if (condition.gone) await judgeGone(bench, plan, context, outcome, trial);
  if (outcome && !outcome.ok && !condition.gone && looksComplete(imagePath)) {
    trial.losses.push('images that look complete are left of a call that has failed');
  }
  trial.losses.push(...((await plan.afterwards?.(context, outcome)) ?? []));
  if (settled === pending) await rescue(context);
  await cleanUp(
    bench,
    context,
    trial,
    condition.gone || condition.damages.length > 0 || condition.traces.length > 0,
  );
  return trial;
}

function judgeOutcome(
  plan: Plan,
  { subject, imagePath }: Context,
  settled: Settled | undefined,
  trial: Trial,
): void {
  if (settled?.error) {
    const { code, name, message } = settled.error;
    if (!isOurCode(code)) {
      trial.losses.push(`an error without a code of ours: ${name} ${code} ${message}`);
    }
    if (plan.mustSucceed) trial.losses.push(`was to succeed, and has not: ${code} ${message}`);
  }
  if (settled?.ok && !looksComplete(imagePath)) {
    const moved = plan.movedTo !== undefined && looksComplete(plan.movedTo(imagePath));
    if (!moved) trial.losses.push('it has succeeded without complete images');
    else if (!settled.warnings?.length) {
      trial.losses.push('it has succeeded, and does not say that the images are elsewhere');
    }
  }
  if (!settled && !plan.endsSubject && plan.endsCall !== true) {
    trial.losses.push(`the process has ended by it: ${subject.end}`);
  }
}

/** Tasks that are gone must be in images from which they come back. */
async function judgeGone(
  bench: Bench,
  plan: Plan,
  { imagePath, target, started }: Context,
  settled: Settled | undefined,
  trial: Trial,
): Promise<void> {
  const said = settled?.error ? `${settled.error.code} ${settled.error.message}` : 'no error';
  const place = [imagePath, plan.movedTo?.(imagePath) ?? imagePath].find(looksComplete);
  if (place !== undefined && target.kind === 'process') {
    // A spare that was killed in the same moment is no criu to restore with.
    await until('what was killed is gone', () => livesOn(started).length === 0, 2_000).catch(
      () => {},
    );
    const back = await (await bench.subject()).call('restore', place);
    if (!back.ok)
      trial.losses.push(`the tasks are gone, and do not come back: ${back.error?.message}`);
  } else if (place === undefined) {
    const loss = `the tasks are gone without images (${said})`;
    (plan.isBeyond?.(loss) ? trial.beyond : trial.losses).push(loss);
  }
}

/** Whatever holds a pending call up is let go, or ended with the whole process. */
async function rescue({ subject, started, running }: Context): Promise<void> {
  continueAll(started);
  const done = await Promise.race([
    running.settled.then(() => true),
    sleep(2_000).then(() => false),
  ]);
  if (!done) await subject.stop();
}

async function cleanUp(
  bench: Bench,
  context: Context,
  trial: Trial,
  isDamaged: boolean,
): Promise<void> {
  const { subject, target, imagePath } = context;
  continueAll(context.started);
  trial.losses.push(...subject.strays.splice(0));
  trial.leaks.push(...(await bench.leaks()));
  if (isDamaged) await bench.drop(target);
  if (trial.leaks.length > 0) await bench.replaceSubject();
  await rm(imagePath, { recursive: true, force: true, maxRetries: 3 });
}

/** How long a call of this kind takes, for moments at random. */
export async function durationOf(
  bench: Bench,
  kind: TargetKind,
  more: Record<string, unknown> = {},
): Promise<number> {
  const target = await bench.target(kind);
  const subject = await bench.subject();
  const times: number[] = [];
  for (let round = 0; round < 3; round++) {
    const imagePath = bench.path('timed');
    const settled = await subject.call(target.call, target.key, {
      leaveRunning: true,
      imagePath,
      ...target.options,
      ...more,
    });
    if (!settled.ok)
      throw new Error(`a ${target.call} without any fault fails: ${settled.error?.message}`);
    times.push(settled.ms);
    await rm(imagePath, { recursive: true, force: true });
  }
  return times.sort((a, b) => a - b)[1] ?? 0;
}
