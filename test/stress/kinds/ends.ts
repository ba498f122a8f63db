import { until } from '../../helpers/system/exec.js';
import { livesOn } from '../bench.js';
import type { Kind } from '../kind.js';
import type { TargetKind } from '../targets.js';
import type { Context, Plan } from '../trial.js';
import { anyTime, dumpHooks, each, timeoutMs } from './common.js';

/** The caller's thread goes away; its process goes on. */
const terminates: Pick<Plan, 'inWorker' | 'endsCall' | 'limitMs' | 'inject'> = {
  inWorker: true,
  endsCall: true,
  limitMs: 2_000,
  inject: ({ running }) => running.terminate(),
};

async function exitedCleanly({ subject, started }: Context): Promise<string[]> {
  await until('all is gone', () => livesOn(started).length === 0, 5_000).catch(() => {});
  const lost = livesOn(started).map((line) => `5 s later ${line}`);
  return subject.end === 'exit status 3'
    ? lost
    : [...lost, `process.exit(3) has ended in ${subject.end}`];
}

const exits: Pick<Plan, 'endsSubject' | 'limitMs' | 'inject' | 'afterwards'> = {
  endsSubject: true,
  limitMs: 2_000,
  inject: ({ subject }) => subject.exit(3),
  afterwards: exitedCleanly,
};

function* atHooks(what: string, plan: Partial<Plan> & Pick<Plan, 'inject'>): Generator<Plan> {
  for (const target of ['isolated', 'container'] as const) {
    for (const at of dumpHooks)
      yield { fault: `${what} at ${at} of ${target}`, target, at, ...plan };
  }
}

const targets: readonly TargetKind[] = ['isolated', 'container', 'process'];

/** `signal` and `timeoutMs` themselves, at moments when nobody expects them. */
function aborted(target: TargetKind, at: number): Plan {
  return {
    fault: `timeoutMs over ${at.toFixed(0)} ms after the call for ${target}`,
    target,
    options: { timeoutMs: Math.max(1, Math.round(at)), leaveRunning: target !== 'process' },
    at: 0,
    inject: () => {},
  };
}

/** A hook that never settles, which only the limit can end. */
function* stuck(): Generator<Plan> {
  for (const target of ['isolated', 'container'] as const) {
    for (const at of dumpHooks) {
      yield {
        fault: `the handler of ${at} of ${target} never settles`,
        target,
        options: { timeoutMs },
        at,
        resumes: false,
        inject: () => {},
      };
    }
  }
}

export const endKinds: Kind[] = [
  {
    name: 'worker-ended',
    what: 'worker.terminate() at every notification and at any moment',
    async *run(bench) {
      yield* each(bench, atHooks('worker.terminate()', terminates));
      yield* anyTime(bench, targets, (target, at) => ({
        fault: `worker.terminate() ${at.toFixed(1)} ms after the call for ${target}`,
        target,
        at,
        ...terminates,
      }));
    },
  },
  {
    name: 'exit',
    what: 'process.exit() at every notification and at any moment',
    async *run(bench) {
      yield* each(bench, atHooks('process.exit()', exits));
      yield* anyTime(bench, targets, (target, at) => ({
        fault: `process.exit() ${at.toFixed(1)} ms after the call for ${target}`,
        target,
        at,
        ...exits,
      }));
    },
  },
  {
    name: 'time-over',
    what: 'timeoutMs over at any moment, and handlers that never settle',
    async *run(bench) {
      yield* each(bench, stuck());
      yield* anyTime(bench, targets, aborted);
    },
  },
];
