import { until } from '../../helpers/system/exec.js';
import { livesOn } from '../bench.js';
import type { Kind } from '../kind.js';
import type { TargetKind } from '../targets.js';
import type { Context, Plan } from '../trial.js';
import { anyTime, dumpHooks, each, lazyOptions } from './common.js';

/** What a process that is gone has started must go, too: criu, the spare and the guard. */
async function allAreGone({ started }: Context): Promise<string[]> {
  await until('all is gone', () => livesOn(started).length === 0, 5_000).catch(() => {});
  return livesOn(started).map((line) => `5 s later ${line}`);
}

/** Tasks are let go at once when Node dies; a busy machine gets two seconds for it. */
const dies: Pick<Plan, 'endsSubject' | 'limitMs' | 'inject' | 'afterwards'> = {
  endsSubject: true,
  limitMs: 2_000,
  inject: ({ subject }) => subject.kill('SIGKILL'),
  afterwards: allAreGone,
};

async function* atHooks(): AsyncGenerator<Plan> {
  for (const target of ['isolated', 'container'] as const) {
    for (const at of dumpHooks) {
      yield { fault: `SIGKILL to Node at ${at} of ${target}`, target, at, ...dies };
    }
  }
  for (const target of ['isolated', 'container'] as const) {
    const options = await lazyOptions();
    yield {
      fault: `SIGKILL to Node at statusReady of ${target}`,
      target,
      options,
      at: 'statusReady',
      ...dies,
    };
  }
}

const targets: readonly TargetKind[] = ['isolated', 'container', 'process'];

export const nodeKinds: Kind[] = [
  {
    name: 'node-killed',
    what: 'SIGKILL to the Node process at every notification',
    run: (bench) => each(bench, atHooks()),
  },
  {
    name: 'node-killed-any',
    what: 'SIGKILL to the Node process at any moment',
    run: (bench) =>
      anyTime(bench, targets, (target, at) => ({
        fault: `SIGKILL to Node ${at.toFixed(1)} ms after the call for ${target}`,
        target,
        options: { leaveRunning: target !== 'process' },
        at,
        ...dies,
      })),
  },
];
