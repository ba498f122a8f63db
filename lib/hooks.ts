import { invalidArgType, invalidArgValue } from './errors.js';
import type { NativeAsk, NativeOperation } from './native.js';
import { nearest } from './options/suggest.js';

/** A moment of an operation at which CRIU stops and asks whether to go on. */
export interface HookEvent {
  /** The hook's name. */
  stage: HookName;
  /** The root task, where CRIU tells it. */
  pid?: number;
  /** Milliseconds since the call. */
  elapsedMs: number;
  /**
   * Whether the tasks stand still now. A tree whose cgroup we freeze does so from the first hook on;
   * without one from `networkLock` on, until the operation is over.
   */
  frozen: boolean;
  /** Aborted when the operation is given up, for handlers that wait for something. */
  signal: AbortSignal;
}

/**
 * Handlers of CRIU's notifications, in the order in which they come. Each may be async; CRIU waits
 * for it, and a dump's tasks stand still meanwhile. One that throws or rejects vetoes: CRIU rolls
 * back and the operation rejects with `ERR_CRIU_VETOED` and the handler's error as `cause`. A
 * handler that never settles is bounded by `signal` and `timeoutMs`.
 */
export interface Hooks {
  /** Before anything; CRIU has not stopped the tasks yet. */
  preDump?: (event: HookEvent) => unknown;
  /**
   * The tasks stand still and their network is about to be locked. Only where there is a network
   * namespace to lock.
   */
  networkLock?: (event: HookEvent) => unknown;
  /**
   * Before any task is written. May answer with more external resources, as
   * the option `external` has them.
   */
  queryExtFiles?: (
    event: HookEvent,
  ) => undefined | readonly string[] | Promise<undefined | readonly string[]>;
  /**
   * The images are complete and the tasks still stand still: the moment to snapshot a file system
   * or to move the images. The last one that can veto.
   */
  postDump?: (event: HookEvent) => unknown;
  /** Before the network is unlocked, as after a failure. A veto has no effect any more. */
  networkUnlock?: (event: HookEvent) => unknown;
  /** Lazy pages can be fetched. */
  statusReady?: (event: HookEvent) => unknown;
}

/** The name of a hook. */
export type HookName = keyof Hooks;

/** CRIU's names of the notifications. */
const scripts: Readonly<Record<HookName, string>> = {
  preDump: 'pre-dump',
  networkLock: 'network-lock',
  queryExtFiles: 'query-ext-files',
  postDump: 'post-dump',
  networkUnlock: 'network-unlock',
  statusReady: 'status-ready',
};

/** All hooks, in the order in which they come. */
export const hookNames: readonly HookName[] = Object.keys(scripts) as HookName[];

/**
 * Checks the option `hooks` and gives a copy of it.
 *
 * @throws TypeError, RangeError
 */
export function validateHooks(name: string, value: unknown): Hooks {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw invalidArgType(name, 'an object of functions', value);
  }
  const hooks: Record<string, unknown> = {};
  for (const [hook, handler] of Object.entries(value)) {
    if (!(hookNames as readonly string[]).includes(hook)) {
      const meant = nearest(hook, hookNames);
      const reason = meant === undefined ? undefined : `did you mean ${meant}?`;
      throw invalidArgValue(`${name}.${hook}`, `one of ${hookNames.join(', ')}`, hook, reason);
    }
    if (handler === undefined) continue;
    if (typeof handler !== 'function') {
      throw invalidArgType(`${name}.${hook}`, 'a function', handler);
    }
    hooks[hook] = handler;
  }
  return hooks as Hooks;
}

/** Calls the handlers for one operation and keeps the error of the one that vetoed. */
export class HookRunner {
  /** What a handler threw. */
  veto: { stage: HookName; error: unknown } | undefined;
  /** The notifications that have a handler. */
  readonly asked: readonly string[];
  readonly #hooks: Hooks;
  readonly #start: number;
  readonly #frozenFromStart: boolean;
  readonly #signal: AbortSignal;

  constructor(hooks: Hooks, start: number, frozenFromStart: boolean, signal: AbortSignal) {
    this.#hooks = hooks;
    this.#start = start;
    this.#frozenFromStart = frozenFromStart;
    this.#signal = signal;
    this.asked = hookNames.filter((name) => hooks[name]).map((name) => scripts[name]);
  }

  /** The callback that puts CRIU's questions to the handlers. */
  ask(answer: NativeOperation['answer']): NativeAsk {
    return (number, script, pid) => {
      const stage = hookNames.find((name) => scripts[name] === script);
      if (stage === undefined) return answer(number, true, []);
      this.#call(stage, pid).then(
        (external) => answer(number, true, external),
        (error: unknown) => {
          // Too late to veto, and CRIU comes here also after a failure of its own.
          if (stage !== 'networkUnlock') this.veto ??= { stage, error };
          answer(number, false, []);
        },
      );
    };
  }

  async #call(stage: HookName, pid: number): Promise<readonly string[]> {
    const result = await this.#hooks[stage]?.({
      stage,
      ...(pid > 0 ? { pid } : {}),
      elapsedMs: performance.now() - this.#start,
      frozen: this.#frozenFromStart || stage !== 'preDump',
      signal: this.#signal,
    });
    if (stage !== 'queryExtFiles' || result === undefined) return [];
    if (!Array.isArray(result) || !result.every((key) => typeof key === 'string')) {
      throw invalidArgType('the answer of hooks.queryExtFiles', 'an array of strings', result);
    }
    return result;
  }
}
