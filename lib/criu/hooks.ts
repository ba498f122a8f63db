import type { Deadline } from '../base/deadline.js';
import { invalidArgType } from '../base/errors.js';
import type { NativeAnswer, NativeAsk } from '../native/contract.js';

/** A moment of an operation at which CRIU stops and asks whether to go on. */
export interface HookEvent<Name extends string = HookName> {
  /** The hook's name. */
  hook: Name;
  /** The root task, where CRIU tells it. */
  pid?: number;
  /** Milliseconds since the call. */
  elapsedMs: number;
  /**
   * Whether the tasks stand still now. A tree whose cgroup we freeze does so from the first hook on;
   * without one from `networkLock` on, until the operation is over. Tasks that are being restored
   * stand still until `postResume`.
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
   * The tasks stand still and their network is about to be locked. It is called only when they have
   * a network namespace of their own.
   */
  networkLock?: (event: HookEvent) => unknown;
  /**
   * Before any task is written. The handler may answer with more external resources, as the option
   * `external` has them.
   */
  queryExtFiles?: (
    event: HookEvent,
  ) => undefined | readonly string[] | Promise<undefined | readonly string[]>;
  /**
   * The images are complete and the tasks still stand still: the moment to snapshot a file system
   * or to move the images. This is the last hook that can veto.
   */
  postDump?: (event: HookEvent) => unknown;
  /** Before the network is unlocked, as after a failure. A veto has no effect any more. */
  networkUnlock?: (event: HookEvent) => unknown;
  /** Lazy pages can be fetched. */
  statusReady?: (event: HookEvent) => unknown;
}

/** What `orphanPtsMaster` gets. */
export interface OrphanPtsMasterEvent extends HookEvent<'orphanPtsMaster'> {
  /** The master of the restored tasks' terminal. It is the handler's to keep, and to close. */
  fd: number;
}

/**
 * Handlers of CRIU's notifications when it restores, in the order in which they come. As with
 * {@link Hooks}, each may be async and may veto: then nothing of the tasks is left.
 */
export interface RestoreHooks {
  /** Before anything; there are no tasks yet. */
  preRestore?: (event: HookEvent<'preRestore'>) => unknown;
  /**
   * The root task is there, with new and empty namespaces, which can be set up from outside: a
   * network by `/proc/PID/ns/net`. It is called only when the images have namespaces.
   */
  setupNamespaces?: (event: HookEvent<'setupNamespaces'>) => unknown;
  /** The namespaces have their content. */
  postSetupNamespaces?: (event: HookEvent<'postSetupNamespaces'>) => unknown;
  /** Takes the master of a terminal whose other end the images have: a container's console. */
  orphanPtsMaster?: (event: OrphanPtsMasterEvent) => unknown;
  /** All tasks are there and stand still. This is the last hook that can veto. */
  postRestore?: (event: HookEvent<'postRestore'>) => unknown;
  /** Before the network is unlocked. A veto has no effect any more, here and below. */
  networkUnlock?: (event: HookEvent<'networkUnlock'>) => unknown;
  /** Before the tasks go on. */
  preResume?: (event: HookEvent<'preResume'>) => unknown;
  /** The tasks go on. */
  postResume?: (event: HookEvent<'postResume'>) => unknown;
}

/** The name of a hook. */
export type HookName = keyof Hooks;
/** The name of a hook of a restore. */
export type RestoreHookName = keyof RestoreHooks;

/** What there is to hook into one kind of operation. */
export interface HookSet<Name extends string> {
  /** CRIU's names of the notifications, in the order in which they come. */
  readonly scripts: Readonly<Record<Name, string>>;
  /** The hooks at which tasks do not stand still, unless they have been frozen before. */
  readonly running: readonly Name[];
  /** The hooks at which it is too late to veto; CRIU calls them also after its own failures. */
  readonly tooLate: readonly Name[];
}

/** The hooks of a dump. */
export const dumpHooks: HookSet<HookName> = {
  scripts: {
    preDump: 'pre-dump',
    networkLock: 'network-lock',
    queryExtFiles: 'query-ext-files',
    postDump: 'post-dump',
    networkUnlock: 'network-unlock',
    statusReady: 'status-ready',
  },
  running: ['preDump'],
  tooLate: ['networkUnlock'],
};

/** The hooks of a restore. */
export const restoreHooks: HookSet<RestoreHookName> = {
  scripts: {
    preRestore: 'pre-restore',
    setupNamespaces: 'setup-namespaces',
    postSetupNamespaces: 'post-setup-namespaces',
    orphanPtsMaster: 'orphan-pts-master',
    postRestore: 'post-restore',
    networkUnlock: 'network-unlock',
    preResume: 'pre-resume',
    postResume: 'post-resume',
  },
  running: ['preRestore', 'postResume'],
  tooLate: ['networkUnlock', 'preResume', 'postResume'],
};

/** A handler of any kind. */
type Handler = (event: HookEvent<string> & { fd?: number }) => unknown;

/** Calls the handlers for one operation and keeps the error of the one that vetoed. */
export class HookRunner {
  /** The hook whose handler vetoed first, and what it threw. */
  veto: { hook: string; error: unknown } | undefined;
  /** The notifications that have a handler. */
  readonly asked: readonly string[];
  readonly #set: HookSet<string>;
  readonly #hooks: Readonly<Record<string, Handler | undefined>>;
  readonly #frozenFromStart: boolean;
  readonly #deadline: Deadline;

  constructor(
    set: HookSet<string>,
    hooks: Hooks | RestoreHooks,
    frozenFromStart: boolean,
    deadline: Deadline,
  ) {
    this.#set = set;
    this.#hooks = hooks as Readonly<Record<string, Handler | undefined>>;
    this.#frozenFromStart = frozenFromStart;
    this.#deadline = deadline;
    this.asked = Object.entries(set.scripts)
      .filter(([name]) => this.#hooks[name])
      .map(([, script]) => script);
  }

  /** The callback that puts CRIU's questions to the handlers. */
  ask(answer: NativeAnswer): NativeAsk {
    return (number, script, pid, fd) => {
      const [hook] = Object.entries(this.#set.scripts).find(([, one]) => one === script) ?? [];
      if (hook === undefined) return answer(number, true, []);
      this.#call(hook, pid, fd).then(
        (external) => answer(number, true, external),
        (error: unknown) => {
          if (!this.#set.tooLate.includes(hook)) this.veto ??= { hook, error };
          answer(number, false, []);
        },
      );
    };
  }

  async #call(hook: string, pid: number, fd: number | undefined): Promise<readonly string[]> {
    const result = await this.#hooks[hook]?.({
      hook,
      ...(pid > 0 ? { pid } : {}),
      ...(fd === undefined ? {} : { fd }),
      elapsedMs: performance.now() - this.#deadline.startedAt,
      frozen: this.#frozenFromStart || !this.#set.running.includes(hook),
      signal: this.#deadline.signal,
    });
    if (hook !== 'queryExtFiles' || result === undefined) return [];
    if (!Array.isArray(result) || !result.every((key) => typeof key === 'string')) {
      throw invalidArgType('the answer of hooks.queryExtFiles', 'an array of strings', result);
    }
    return result;
  }
}
