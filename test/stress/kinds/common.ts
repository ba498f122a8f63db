import { patientMs } from '../../helpers/system/patience.js';
import { freePort } from '../../helpers/system/port.js';
import type { Bench } from '../bench.js';
import type { TargetKind } from '../targets.js';
import { durationOf, inject, type Plan, type Trial } from '../trial.js';

/** The notifications that each dump has; lazy pages have one more, `statusReady`. */
export const dumpHooks = [
  'preDump',
  'networkLock',
  'queryExtFiles',
  'postDump',
  'networkUnlock',
] as const;

/** What `timeoutMs` is given where it has to end the call: more than a dump takes without a fault. */
export const timeoutMs = patientMs(700);

/** Those of a dump whose memory is fetched later. */
export async function lazyOptions(): Promise<Record<string, unknown>> {
  return { lazyPages: true, leaveRunning: false, pageServer: `127.0.0.1:${await freePort()}` };
}

/** One fault after the other. */
export async function* each(
  bench: Bench,
  plans: Iterable<Plan> | AsyncIterable<Plan>,
): AsyncGenerator<Trial> {
  for await (const plan of plans) {
    const trial = await inject(bench, plan);
    if (trial) yield trial;
  }
}

/** The same fault at `bench.rounds` moments at random, in dumps of several targets in turn. */
export async function* anyTime(
  bench: Bench,
  targets: readonly TargetKind[],
  plan: (target: TargetKind, atMs: number) => Plan,
): AsyncGenerator<Trial> {
  const times = new Map<TargetKind, number>();
  for (const kind of targets) times.set(kind, await durationOf(bench, kind));
  for (let done = 0, tried = 0; done < bench.rounds && tried < bench.rounds * 4; tried++) {
    const kind = targets[tried % targets.length] ?? 'process';
    const atMs = bench.random() * (times.get(kind) ?? 0);
    const trial = await inject(bench, plan(kind, atMs));
    if (trial) {
      done++;
      yield trial;
      continue;
    }
    // The dump was quicker, and may have ended what it has saved.
    const target = await bench.target(kind);
    if ((await target.examine(500, { thorough: false })).gone) await bench.drop(target);
  }
}
