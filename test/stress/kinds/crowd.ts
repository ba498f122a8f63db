import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { criuBinary, environmentWithCriu } from '../../helpers/paths.js';
import { run, sleep } from '../../helpers/system/exec.js';
import { patientMs } from '../../helpers/system/patience.js';
import type { Bench } from '../bench.js';
import type { Alone, Kind } from '../kind.js';
import { type Performance, Subject } from '../subject.js';
import { frozenState, startTarget, type Target } from '../targets.js';
import type { Trial } from '../trial.js';

const processes = 3;
/** With so many at once on a small machine each has to wait for its turn; runc may take a minute. */
const limitMs = 80_000;

type What = 'dump' | 'checkpoint' | 'restore' | 'check' | 'pageServer' | 'same' | 'runc';
const mix: readonly What[] = [
  'dump',
  'checkpoint',
  'check',
  'pageServer',
  'dump',
  'restore',
  'same',
  'runc',
];

/** What one of the crowd did. */
interface Part {
  what: What;
  imagePath: string;
  said: string | undefined;
  ok: boolean;
  /** What `runc checkpoint` was run for. */
  byRunc?: Target;
}

/** So many operations at once, of all kinds, from threads and processes. */
async function crowd(
  bench: Bench,
  size: number,
  subjects: Subject[],
  targets: Target[],
  containers: Target[],
): Promise<Trial> {
  const trial: Trial = {
    fault: `${size} operations at once`,
    losses: [],
    leaks: [],
    beyond: [],
    endMs: 0,
  };
  const spent: Target[] = [];
  const images: string[] = [];
  const prepared: string[] = [];
  // What is to be restored has to be saved before.
  for (let number = 0; number < Math.floor(size / 8); number++) {
    const target = await startTarget('process', 4);
    spent.push(target);
    const imagePath = bench.path('to-restore');
    const settled = await subjects[0]?.call('dump', target.pid, { imagePath });
    if (!settled?.ok) throw new Error(`nothing to restore: ${settled?.error?.message}`);
    prepared.push(imagePath);
  }
  const waiting = new Map<number, What>();
  const part = async (number: number): Promise<Part> => {
    const done = await perform(number);
    waiting.delete(number);
    return done;
  };
  const perform = async (number: number): Promise<Part> => {
    const chosen = mix[Math.floor(bench.random() * mix.length)] ?? 'dump';
    const [toRestore] = chosen === 'restore' ? prepared.splice(0, 1) : [];
    const what = chosen === 'restore' && toRestore === undefined ? 'dump' : chosen;
    const subject = subjects[number % subjects.length] as Subject;
    const inWorker = number % 3 === 0;
    const imagePath = bench.path(what);
    images.push(imagePath);
    waiting.set(number, what);
    const container = containers[number % containers.length] as Target;
    const target = targets[number % targets.length] as Target;
    const of = (one: Target): Performance =>
      subject.perform({
        call: one.call,
        target: one.key,
        inWorker,
        options: { leaveRunning: true, imagePath, ...one.options },
      });
    const told = async (running: Performance): Promise<Part> => {
      const settled = await running.settled;
      const said = settled?.error ? `${settled.error.code} ${settled.error.message}` : undefined;
      if (settled === undefined) return { what, imagePath, said: 'no end of its own', ok: false };
      return { what, imagePath, said, ok: settled.ok };
    };
    await sleep(bench.random() * 20);
    if (what === 'runc') {
      const flags = ['--leave-running', '--image-path', imagePath];
      const id = container.container?.id ?? '';
      const runs = container.container?.runc('--criu', criuBinary, 'checkpoint', ...flags, id);
      // It is ended when it does not end, as it does beside another runc, too.
      const { code, stderr } = (await runs?.catch((error: unknown) => ({
        code: null,
        stderr: String(error),
      }))) ?? { code: 0, stderr: '' };
      const said = code === 0 ? undefined : `runc: ${stderr}`;
      return { what, imagePath, said, ok: code === 0, byRunc: container };
    }
    if (what === 'check') return told(subject.perform({ call: 'check', inWorker }));
    if (what === 'pageServer')
      return told(subject.perform({ call: 'pageServer', target: imagePath, inWorker }));
    if (toRestore !== undefined)
      return told(subject.perform({ call: 'restore', target: toRestore, inWorker }));
    // All of these go for one container.
    if (what === 'same') return told(of(containers[0] as Target));
    return told(of(what === 'checkpoint' ? container : target));
  };
  const start = performance.now();
  const all = Promise.all(Array.from({ length: size }, (_, number) => part(number)));
  let isDone = false;
  // On a machine as busy as it is then: runc is ended by such a limit, too.
  const isOver = async (): Promise<undefined> => {
    while (!isDone && performance.now() - start < patientMs(limitMs)) await sleep(500);
    return undefined;
  };
  const parts = await Promise.race([all, isOver()]);
  isDone = true;
  trial.endMs = performance.now() - start;
  if (parts === undefined) {
    const seconds = Math.round(trial.endMs / 1000);
    trial.losses.push(`not settled after ${seconds} s: ${[...waiting.values()].join(', ')}`);
  }
  for (const { what, imagePath, said, ok } of parts ?? []) {
    // Two of one container: the second is refused, by us or by runc's criu that finds it traced.
    const isRefusal = /^ERR_CONTAINER_BUSY|^ERR_CRIU_FAILED|^runc: /.test(said ?? '');
    if (!ok && !(isRefusal && /^(same|runc|checkpoint|dump)$/.test(what)))
      trial.losses.push(`${what}: ${said}`);
    if (!ok && existsSync(`${imagePath}/inventory.img`) && what !== 'runc')
      trial.losses.push(`${what}: images that look complete are left`);
  }
  for (const target of [...targets, ...containers, ...spent]) {
    const { gone, damages } = await target.examine(1_000);
    const isSaved = spent.includes(target);
    if (gone && !isSaved) trial.losses.push(`a ${target.kind} is gone`);
    // runc's criu, which knows nothing of our locks, puts a cgroup back to frozen that it has found so,
    // and then waits for the tasks.
    const hadRunc = parts?.some(({ byRunc }) => byRunc === target) === true;
    const harms = damages.map((damage) => `a ${target.kind}: ${damage}`);
    (hadRunc ? trial.beyond : trial.losses).push(...harms);
    target.thaw();
  }
  for (const target of spent) await target.end();
  for (const subject of subjects) {
    trial.losses.push(...subject.strays.splice(0));
    if (!(await subject.answers(1_000)))
      trial.losses.push(`a process does not answer any more: ${subject.end ?? 'it lives'}`);
  }
  // A runc that was refused may still be writing its log.
  const removal = { recursive: true, force: true, maxRetries: 10 } as const;
  for (const path of images) await rm(path, removal);
  return trial;
}

/** `runc checkpoint` four times at once of one container, without any of us. */
async function alone(bench: Bench): Promise<Alone> {
  const result: Alone = { injected: 0, harmed: 0, how: {} };
  const target = await startTarget('container', 4);
  const { container, cgroup = '' } = target;
  try {
    for (let round = 0; container && round < Math.ceil(bench.rounds / 5); round++) {
      const images = Array.from({ length: 4 }, () => bench.path('runc'));
      const one = async (imagePath: string): Promise<boolean> => {
        await sleep(bench.random() * 20);
        const args = ['checkpoint', '--leave-running', '--image-path', imagePath, container.id];
        return run('runc', ['--root', container.stateRoot, ...args], {
          env: environmentWithCriu(),
          cwd: container.directory,
          stdio: 'ignore',
          timeoutMs: 15_000,
        }).then(
          () => true,
          () => false,
        );
      };
      const ended = await Promise.all(images.map(one));
      const harms = [
        ...(ended.includes(false) ? ['runc does not end'] : []),
        ...(frozenState(cgroup) === undefined ? [] : ['its cgroup is FROZEN']),
      ];
      result.injected++;
      if (harms.length > 0) result.harmed++;
      for (const harm of harms) result.how[harm] = (result.how[harm] ?? 0) + 1;
      target.thaw();
      for (const path of images) await rm(path, { recursive: true, force: true, maxRetries: 10 });
    }
  } finally {
    await target.end();
  }
  return result;
}

export const crowdKind: Kind = {
  alone,
  name: 'crowd',
  what: '1 to 32 operations at once, mixed, from threads and processes, with runc checkpoint among them',
  async *run(bench) {
    const subjects = await Promise.all(Array.from({ length: processes }, () => Subject.start()));
    const targets = await Promise.all(Array.from({ length: 6 }, () => startTarget('process', 4)));
    const containers = await Promise.all(
      Array.from({ length: 3 }, () => startTarget('container', 4)),
    );
    try {
      for (let round = 0; round < Math.ceil(bench.rounds / 10); round++) {
        for (const size of [1, 2, 4, 8, 16, 32])
          yield await crowd(bench, size, subjects, targets, containers);
      }
      const before = await run('ps', [
        '-o',
        'pid,ppid,stat,comm',
        '--ppid',
        subjects.map(({ pid }) => pid).join(','),
      ]);
      const zombies = before.stdout.split('\n').filter((line) => / Z/.test(line));
      if (zombies.length > 0)
        yield {
          fault: 'all of the crowds',
          losses: [],
          leaks: [`zombies: ${zombies.join('; ')}`],
          beyond: [],
          endMs: 0,
        };
    } finally {
      for (const subject of subjects) await subject.stop();
      for (const target of [...targets, ...containers]) await target.end();
    }
  },
};
