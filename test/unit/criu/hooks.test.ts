import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, test, vi } from 'vitest';
import { Deadline } from '../../../lib/base/deadline.js';
import { dumpHooks, HookRunner, type HookSet, restoreHooks } from '../../../lib/criu/hooks.js';

const sets: [string, HookSet<string>][] = [
  ['dump', dumpHooks],
  ['restore', restoreHooks],
];
/** Each hook, with the set that it is of. */
const all = sets.flatMap(([operation, set]) =>
  Object.entries(set.scripts).map(([hook, script]) => [operation, hook, script, set] as const),
);
/** Those at which a veto has no effect any more. */
const tooLate = ['networkUnlock', 'preResume', 'postResume'];
const late = all.filter(([, hook]) => tooLate.includes(hook));
const timely = all.filter(([, hook]) => !tooLate.includes(hook));

interface Given {
  frozenFromStart?: boolean;
  deadline?: Deadline;
}

/** Handlers as they are called by CRIU, whose answers are recorded. */
function run(
  set: HookSet<string>,
  hooks: Record<string, (event: never) => unknown>,
  { frozenFromStart = false, deadline }: Given = {},
) {
  const bounds = deadline ?? new Deadline('dump', {});
  const runner = new HookRunner(set, hooks, frozenFromStart, bounds);
  const answer = vi.fn();
  return { runner, answer, ask: runner.ask(answer) };
}

describe('the notifications that are asked for', () => {
  test.each(all)('of a %s with %s alone are %s', (_operation, hook, script, set) => {
    expect(run(set, { [hook]: () => {} }).runner.asked).toEqual([script]);
  });

  test.each(sets)('of a %s are in the order in which they come', (_operation, set) => {
    const hooks = Object.keys(set.scripts).map((hook) => [hook, () => {}]);
    const backwards = Object.fromEntries(hooks.reverse());
    expect(run(set, backwards).runner.asked).toEqual(Object.values(set.scripts));
  });

  test.each(sets)('of a %s without hooks are none', (_operation, set) => {
    expect(run(set, {}).runner.asked).toEqual([]);
  });
});

describe('a question of CRIU', () => {
  test.each(all)('of a %s is put to %s', async (_operation, hook, script, set) => {
    const [wanted, others] = [vi.fn(), vi.fn()];
    const hooks = Object.fromEntries(Object.keys(set.scripts).map((name) => [name, others]));
    const { ask, answer, runner } = run(set, { ...hooks, [hook]: wanted });
    ask(7, script, 4711, undefined);
    await vi.waitFor(() => expect(answer).toHaveBeenCalled());
    expect(answer.mock.calls).toEqual([[7, true, []]]);
    expect(wanted.mock.calls).toEqual([[expect.objectContaining({ hook, pid: 4711 })]]);
    expect(others).not.toHaveBeenCalled();
    expect(runner.veto).toBeUndefined();
  });

  test('is answered with yes where there is no handler, and where it is not known', async () => {
    const { ask, answer } = run(dumpHooks, {});
    ask(1, 'pre-dump', 4711, undefined);
    ask(2, 'of-a-newer-criu', 4711, undefined);
    await vi.waitFor(() => expect(answer).toHaveBeenCalledTimes(2));
    expect(answer).toHaveBeenCalledWith(1, true, []);
    expect(answer).toHaveBeenCalledWith(2, true, []);
  });

  test('is not answered before the handler has settled', async () => {
    let settle = (): void => {};
    const postDump = (): Promise<void> =>
      new Promise((resolve) => {
        settle = resolve;
      });
    const { ask, answer } = run(dumpHooks, { postDump });
    ask(1, 'post-dump', 4711, undefined);
    await turn();
    expect(answer).not.toHaveBeenCalled();
    settle();
    await vi.waitFor(() => expect(answer).toHaveBeenCalledWith(1, true, []));
  });

  test('is answered by its own number, in whatever order the handlers settle', async () => {
    const settle: (() => void)[] = [];
    const preDump = (): Promise<void> => new Promise((resolve) => settle.push(resolve));
    const { ask, answer } = run(dumpHooks, { preDump });
    ask(1, 'pre-dump', 4711, undefined);
    ask(2, 'pre-dump', 4711, undefined);
    for (const resolve of settle.reverse()) {
      resolve();
      await turn();
    }
    expect(answer.mock.calls.map(([number]) => number)).toEqual([2, 1]);
  });
});

describe('the event of a hook', () => {
  test('has no pid where CRIU tells none, and no descriptor where there is none', async () => {
    const preDump = vi.fn();
    const { ask } = run(dumpHooks, { preDump });
    ask(1, 'pre-dump', 0, undefined);
    const [[event]] = preDump.mock.calls as [[object]];
    expect(event).not.toHaveProperty('pid');
    expect(event).not.toHaveProperty('fd');
  });

  test('has the descriptor of a terminal', () => {
    const orphanPtsMaster = vi.fn();
    const { ask } = run(restoreHooks, { orphanPtsMaster });
    ask(1, 'orphan-pts-master', 4711, 0);
    expect(orphanPtsMaster).toHaveBeenCalledWith(expect.objectContaining({ fd: 0 }));
  });

  test('tells the milliseconds since the call', () => {
    const preDump = vi.fn();
    const startedAt = performance.now() - 5_000;
    const deadline = Object.assign(new Deadline('dump', {}), { startedAt });
    const { ask } = run(dumpHooks, { preDump }, { deadline });
    ask(1, 'pre-dump', 4711, undefined);
    const [[{ elapsedMs }]] = preDump.mock.calls as [[{ elapsedMs: number }]];
    expect(elapsedMs).toBeGreaterThanOrEqual(5_000);
    expect(elapsedMs).toBeLessThan(60_000);
  });

  test('has a signal that is aborted when the operation is given up', () => {
    const controller = new AbortController();
    const deadline = new Deadline('dump', { signal: controller.signal });
    const stop = deadline.start();
    const preDump = vi.fn();
    run(dumpHooks, { preDump }, { deadline }).ask(1, 'pre-dump', 4711, undefined);
    const [[{ signal }]] = preDump.mock.calls as [[{ signal: AbortSignal }]];
    expect(signal.aborted).toBe(false);
    controller.abort();
    expect(signal.aborted).toBe(true);
    stop();
  });

  const running = ['preDump', 'preRestore', 'postResume'];

  test.each(all)('of a %s tells at %s whether the tasks stand still', (_, hook, script, set) => {
    const frozen = (frozenFromStart: boolean): unknown => {
      const handler = vi.fn();
      run(set, { [hook]: handler }, { frozenFromStart }).ask(1, script, 4711, undefined);
      return handler.mock.calls[0]?.[0].frozen;
    };
    expect(frozen(false)).toBe(!running.includes(hook));
    expect(frozen(true)).toBe(true);
  });
});

describe('a veto', () => {
  const error = new Error('no');
  const vetoes: [string, () => unknown][] = [
    [
      'throws',
      () => {
        throw error;
      },
    ],
    ['rejects', () => Promise.reject(error)],
  ];

  test.each(
    timely.flatMap((row) => vetoes.map(([how, veto]) => [...row.slice(0, 3), how, row[3], veto])),
  )('of a %s by %s (%s), which %s, is kept and answered with no', async (...row) => {
    const [, hook, script, , set, veto] = row as [
      string,
      string,
      string,
      string,
      HookSet<string>,
      () => unknown,
    ];
    const { ask, answer, runner } = run(set, { [hook]: veto });
    ask(3, script, 4711, undefined);
    await vi.waitFor(() => expect(answer).toHaveBeenCalledWith(3, false, []));
    expect(runner.veto).toEqual({ hook, error });
  });

  test.each(late)('of a %s by %s comes too late, and is none', async (_, hook, script, set) => {
    const { ask, answer, runner } = run(set, { [hook]: () => Promise.reject(error) });
    ask(3, script, 4711, undefined);
    await vi.waitFor(() => expect(answer).toHaveBeenCalledWith(3, false, []));
    expect(runner.veto).toBeUndefined();
  });

  test('is the first one where there are several', async () => {
    const postDump = (): Promise<never> => Promise.reject(new Error('later'));
    const preDump = (): Promise<never> => Promise.reject(error);
    const { ask, answer, runner } = run(dumpHooks, { preDump, postDump });
    ask(1, 'pre-dump', 4711, undefined);
    await turn();
    ask(2, 'post-dump', 4711, undefined);
    await vi.waitFor(() => expect(answer).toHaveBeenCalledTimes(2));
    expect(runner.veto).toEqual({ hook: 'preDump', error });
  });

  test('may be undefined, which is told from none', async () => {
    const { ask, answer, runner } = run(dumpHooks, { preDump: () => Promise.reject() });
    ask(1, 'pre-dump', 4711, undefined);
    await vi.waitFor(() => expect(answer).toHaveBeenCalledWith(1, false, []));
    expect(runner.veto).toEqual({ hook: 'preDump', error: undefined });
  });
});

describe('the answer of queryExtFiles', () => {
  async function answerTo(result: unknown, hook = 'queryExtFiles') {
    const script = dumpHooks.scripts[hook as keyof typeof dumpHooks.scripts];
    const { ask, answer, runner } = run(dumpHooks, { [hook]: () => result });
    ask(1, script, 4711, undefined);
    await vi.waitFor(() => expect(answer).toHaveBeenCalled());
    return { given: answer.mock.calls[0], veto: runner.veto };
  }

  test('goes to CRIU', async () => {
    const external = ['mnt[/data]:data', 'file[1b:2]'];
    expect((await answerTo(external)).given).toEqual([1, true, external]);
    expect((await answerTo(Promise.resolve(external))).given).toEqual([1, true, external]);
  });

  test('may be nothing', async () => {
    expect((await answerTo(undefined)).given).toEqual([1, true, []]);
    expect((await answerTo([])).given).toEqual([1, true, []]);
  });

  test.each([
    ['mnt[/data]:data'],
    [null],
    [7],
    [{}],
    [[7]],
    [['mnt[/data]:data', null]],
    [new Set(['mnt[/data]:data'])],
  ])('is a veto when it is no list of strings: %o', async (result) => {
    const { given, veto } = await answerTo(result);
    expect(given).toEqual([1, false, []]);
    expect(veto?.error).toBeInstanceOf(TypeError);
    expect(veto?.error).toMatchObject({
      code: 'ERR_INVALID_ARG_TYPE',
      message: expect.stringContaining('hooks.queryExtFiles'),
    });
  });

  test('is asked of no other hook, whose result means nothing', async () => {
    for (const result of [7, 'text', ['mnt[/data]:data'], false]) {
      expect(await answerTo(result, 'postDump')).toEqual({ given: [1, true, []], veto: undefined });
    }
  });
});
