import { spawn } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { criuBinary } from '../../helpers/paths.js';
import { sleep } from '../../helpers/system/exec.js';
import type { Bench } from '../bench.js';
import type { Alone, Kind } from '../kind.js';
import { send, sendToGroup } from '../subject.js';
import type { Plan, Trial } from '../trial.js';
import { anyTime, dumpHooks, each, lazyOptions, timeoutMs } from './common.js';

/**
 * Where criu is killed while its code is in a task, the task may go on in the middle of a call that
 * CRIU had it make: docs/abort.md. What we have made ourselves is not among it.
 */
const byItsCode = (damage: string): boolean =>
  /without images|its memory|does not count on|has counted/.test(damage);

function toEveryCriu(signal: 'SIGKILL' | 'SIGSTOP'): Plan['inject'] {
  return ({ subject }) => {
    for (const pid of subject.crius) send(pid, signal);
  };
}

async function* atHooks(signal: 'SIGKILL' | 'SIGSTOP'): AsyncGenerator<Plan> {
  const bounds = signal === 'SIGSTOP' ? { timeoutMs } : {};
  for (const target of ['isolated', 'container'] as const) {
    for (const hook of dumpHooks) {
      for (const leaveRunning of hook === 'networkUnlock' ? [true] : [true, false]) {
        // A container that ends cannot be told from one that is lost without restoring it.
        if (!leaveRunning && (hook === 'postDump' || hook === 'networkUnlock')) continue;
        yield {
          fault: `${signal} to criu at ${hook} of ${target}${leaveRunning ? '' : ', which is to end'}`,
          target,
          options: { leaveRunning, ...bounds },
          at: hook,
          inject: toEveryCriu(signal),
          ...(signal === 'SIGKILL' ? { isBeyond: byItsCode } : {}),
        };
      }
    }
  }
  yield {
    fault: `${signal} to criu at statusReady of isolated`,
    target: 'isolated',
    options: { ...(await lazyOptions()), ...bounds },
    at: 'statusReady',
    inject: toEveryCriu(signal),
  };
  for (const hook of ['preDump', 'queryExtFiles', 'postDump']) {
    yield {
      fault: `${signal} to criu at ${hook} of process, which is to end`,
      target: 'process',
      options: { leaveRunning: false, ...bounds },
      at: hook,
      inject: toEveryCriu(signal),
      ...(signal === 'SIGKILL' ? { isBeyond: byItsCode } : {}),
    };
  }
}

function atAnyTime(bench: Bench, signal: 'SIGKILL' | 'SIGSTOP'): AsyncGenerator<Trial> {
  return anyTime(bench, ['isolated', 'container', 'process'], (target, at) => ({
    fault: `${signal} to criu ${at.toFixed(1)} ms after the call for ${target}`,
    target,
    options: {
      leaveRunning: target !== 'process',
      ...(signal === 'SIGSTOP' ? { timeoutMs } : {}),
    },
    at,
    inject: toEveryCriu(signal),
    ...(signal === 'SIGKILL' ? { isBeyond: byItsCode } : {}),
  }));
}

/** `criu dump` by itself, of the same target, killed or stopped at moments at random. */
async function alone(bench: Bench, signal: 'SIGKILL' | 'SIGSTOP'): Promise<Alone> {
  const result: Alone = { injected: 0, harmed: 0, how: {} };
  let duration: number | undefined;
  for (let tried = 0; result.injected < bench.rounds && tried < bench.rounds * 3; tried++) {
    const target = await bench.target('isolated');
    const imagePath = bench.path('alone');
    const { freezeCgroup, external } = target.options as {
      freezeCgroup: string;
      external: string[];
    };
    const args = [
      'dump',
      '-t',
      String(target.pid),
      '-D',
      '/proc/self/cwd',
      '--leave-running',
      '-o',
      'dump.log',
      '--freeze-cgroup',
      freezeCgroup,
      '--network-lock',
      'nftables',
      '--timeout',
      '1',
      ...external.flatMap((one) => ['--external', one]),
    ];
    mkdirSync(imagePath, { mode: 0o700 });
    const start = performance.now();
    const child = spawn(criuBinary, args, {
      cwd: imagePath,
      stdio: 'ignore',
      detached: true,
    });
    const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    if (duration === undefined) {
      await gone;
      duration = performance.now() - start;
      await rm(imagePath, { recursive: true, force: true });
      continue;
    }
    await sleep(bench.random() * duration * 1.1);
    if (child.exitCode !== null) continue;
    send(child.pid, signal);
    result.injected++;
    // As long as a call of ours would get: its `timeoutMs`, and two seconds.
    const { gone: lost, damages } = await target.examine(
      signal === 'SIGSTOP' ? timeoutMs + 2_000 : 1_000,
    );
    const harms = lost ? ['it is gone'] : damages;
    if (harms.length > 0) result.harmed++;
    for (const harm of harms) {
      const short = harm.replace(/\d+/g, 'N').replace(/:.*/, '');
      result.how[short] = (result.how[short] ?? 0) + 1;
    }
    send(child.pid, 'SIGCONT');
    // With what it has started, which nobody else would end.
    sendToGroup(child.pid, 'SIGKILL');
    await gone;
    await bench.drop(target);
    await rm(imagePath, { recursive: true, force: true });
  }
  return result;
}

export const criuKinds: Kind[] = [
  {
    name: 'criu-killed',
    what: 'SIGKILL to criu at every notification',
    run: (bench) => each(bench, atHooks('SIGKILL')),
  },
  {
    name: 'criu-killed-any',
    what: 'SIGKILL to criu at any moment',
    run: (bench) => atAnyTime(bench, 'SIGKILL'),
    alone: (bench) => alone(bench, 'SIGKILL'),
  },
  {
    name: 'criu-stopped',
    what: 'SIGSTOP to criu at every notification',
    run: (bench) => each(bench, atHooks('SIGSTOP')),
  },
  {
    name: 'criu-stopped-any',
    what: 'SIGSTOP to criu at any moment',
    run: (bench) => atAnyTime(bench, 'SIGSTOP'),
    alone: (bench) => alone(bench, 'SIGSTOP'),
  },
];
