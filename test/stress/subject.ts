import { type ChildProcess, spawn } from 'node:child_process';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { sleep, until } from '../helpers/system/exec.js';
import { allProcesses, type ProcessState } from '../helpers/system/process.js';

/** A call that the process under stress is to make. */
export interface Request {
  id: number;
  call:
    | 'dump'
    | 'preDump'
    | 'checkpoint'
    | 'restore'
    | 'check'
    | 'version'
    | 'features'
    | 'explain'
    | 'pageServer'
    | 'close';
  /** A pid, a container's id, or the path of images. */
  target?: string | number;
  options?: Record<string, unknown>;
  /** Hooks that are held until `resume`. */
  hooks?: readonly string[];
  abortAfterMs?: number;
  /** Settings of a CRIU of its own. */
  criu?: Record<string, unknown>;
  /** On a worker thread of its own. */
  inWorker?: boolean;
}

/** How a call has settled. */
export interface Settled {
  ok: boolean;
  /** From the call to its end. */
  ms: number;
  pid?: number;
  imagePath?: string;
  warnings?: string[];
  error?: { name?: string; code?: string; stage?: string; message: string };
}

/** How one batch of a soak went. */
export interface Soaked {
  failed: number;
  last?: unknown;
  memory: NodeJS.MemoryUsage;
}

/** A call under way. */
export interface Performance {
  readonly id: number;
  /** Undefined when the process, or the worker thread, has ended instead. */
  readonly settled: Promise<Settled | undefined>;
  /** When the call is made. */
  readonly started: Promise<void>;
  /** When a hook is held. */
  reaches(hook: string): Promise<void>;
  resume(hook: string): void;
  /** Ends its worker thread, and waits for that. */
  terminate(): Promise<void>;
}

/** What a process holds, to be compared. */
export interface Holdings {
  descriptors: Map<string, number>;
  threads: number;
  /** Children that are not spares or the guard, and dead ones. */
  children: string[];
}

interface Message {
  id: number;
  ready?: boolean;
  started?: boolean;
  hook?: string;
  settled?: Settled;
  ended?: number;
  stray?: { message: string };
  soaked?: Soaked;
  pong?: boolean;
}

/** A call without any fault takes less by far. */
const callLimitMs = 30_000;

const program = join(import.meta.dirname, 'subject.mjs');

/** The Node process under stress, seen from outside: whatever becomes of it, we can tell. */
export class Subject {
  /** What nobody was to see: unhandled errors, and text on its standard error. */
  readonly strays: string[] = [];
  readonly #child: ChildProcess;
  readonly #gone: Promise<string>;
  readonly #listeners = new Map<number, (message: Message) => void>();
  #end: string | undefined;
  #last = 0;

  private constructor(child: ChildProcess) {
    this.#child = child;
    this.#gone = new Promise((resolve) => {
      child.once('exit', (code, signal) => {
        this.#end = signal ?? `exit status ${code}`;
        resolve(this.#end);
      });
    });
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.strays.push(`on its standard error: ${text.trim()}`);
    });
    child.on('message', (message: Message) => {
      if (message.stray) this.strays.push(`an unhandled error: ${message.stray.message}`);
      this.#listeners.get(message.id)?.(message);
    });
    child.on('error', () => {}); // a message to one that has ended
  }

  static async start(
    environment: Record<string, string> = {},
    flags: string[] = [],
  ): Promise<Subject> {
    const child = spawn(process.execPath, [...flags, program], {
      env: { ...process.env, ...environment },
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      cwd: '/',
    });
    const subject = new Subject(child);
    await Promise.race([
      new Promise<void>((resolve) => {
        subject.#listeners.set(0, ({ ready }) => ready && resolve());
      }),
      subject.#gone.then((how) => {
        throw new Error(
          `the process under stress has not started: ${how}, ${subject.strays.join()}`,
        );
      }),
    ]);
    return subject;
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** How it ended; undefined while it lives. */
  get end(): string | undefined {
    return this.#end;
  }

  get gone(): Promise<string> {
    return this.#gone;
  }

  perform(request: Omit<Request, 'id'>): Performance {
    const id = this.#next();
    const reached = new Set<string>();
    const waiting = new Map<string, () => void>();
    let begun = (): void => {};
    let ended = (): void => {};
    const started = new Promise<void>((resolve) => {
      begun = resolve;
    });
    const terminated = new Promise<void>((resolve) => {
      ended = resolve;
    });
    const settled = new Promise<Settled | undefined>((resolve) => {
      this.#listeners.set(id, (message) => {
        if (message.started) begun();
        if (message.hook !== undefined) {
          reached.add(message.hook);
          waiting.get(message.hook)?.();
        }
        if (message.settled) resolve(message.settled);
        if (message.ended !== undefined) {
          ended();
          resolve(undefined);
        }
      });
      void this.#gone.then(() => resolve(undefined));
    });
    this.#send({ type: 'perform', id, ...request });
    return {
      id,
      settled,
      started,
      reaches: (hook) =>
        reached.has(hook)
          ? Promise.resolve()
          : new Promise((resolve) => {
              waiting.set(hook, resolve);
            }),
      resume: (hook) => this.#send({ type: 'resume', id, hook }),
      terminate: async () => {
        this.#send({ type: 'terminate', id });
        await Promise.race([terminated, this.#gone]);
      },
    };
  }

  /** A call that nothing happens to; one that does not end is an error. */
  async call(
    call: Request['call'],
    target?: string | number,
    options?: Record<string, unknown>,
  ): Promise<Settled> {
    const request = {
      call,
      ...(target === undefined ? {} : { target }),
      ...(options ? { options } : {}),
    };
    const limit = sleep(callLimitMs).then(() => 'pending' as const);
    const settled = await Promise.race([this.perform(request).settled, limit]);
    if (settled === 'pending') throw new Error(`a ${call} without a fault does not end`);
    if (settled === undefined) throw new Error(`the process under stress has ended: ${this.end}`);
    return settled;
  }

  /** The same call again and again. */
  async soak(request: {
    call: Request['call'];
    target: string | number;
    options: Record<string, unknown>;
    rounds: number;
    /** Removed after each. */
    remove: string;
  }): Promise<Soaked> {
    const id = this.#next();
    const soaked = new Promise<Soaked>((resolve, reject) => {
      this.#listeners.set(id, (message) => message.soaked && resolve(message.soaked));
      void this.#gone.then((how) =>
        reject(new Error(`the process under stress has ended: ${how}`)),
      );
    });
    this.#send({ type: 'soak', id, ...request });
    return soaked;
  }

  /** Whether its event loop answers within a time. */
  async answers(limitMs: number): Promise<boolean> {
    const id = this.#next();
    const pong = new Promise<boolean>((resolve) => {
      this.#listeners.set(id, ({ pong: came }) => came && resolve(true));
    });
    this.#send({ type: 'ping', id });
    return Promise.race([pong, this.#gone.then(() => false), sleep(limitMs).then(() => false)]);
  }

  exit(code: number): void {
    this.#send({ type: 'exit', code });
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Its children, dead ones included. */
  children(name?: string): ProcessState[] {
    return allProcesses().filter(
      (one) => one.parent === this.pid && (name === undefined || one.name === name),
    );
  }

  /** Every criu that it has started and that lives, the spare included. */
  get crius(): number[] {
    return this.children('criu')
      .filter(({ state }) => state !== 'Z')
      .map(({ pid }) => pid);
  }

  get guard(): number | undefined {
    return this.children('criu_guard').find(({ state }) => state !== 'Z')?.pid;
  }

  holdings(): Holdings {
    const descriptors = new Map<string, number>();
    for (const fd of readdirSync(`/proc/${this.pid}/fd`)) {
      const name = kindOf(`/proc/${this.pid}/fd/${fd}`);
      if (name !== undefined) descriptors.set(name, (descriptors.get(name) ?? 0) + 1);
    }
    const status = readFileSync(`/proc/${this.pid}/status`, 'utf8');
    const children = this.children().map(
      ({ name, state }) => `${name}${state === 'Z' ? ' (zombie)' : ''}`,
    );
    return {
      descriptors,
      threads: Number(/^Threads:\s*(\d+)$/m.exec(status)?.[1]),
      children: children.sort(),
    };
  }

  /** Ends it and all that it has started. */
  async stop(): Promise<void> {
    if (this.#end !== undefined) return;
    const started = this.children().map(({ pid }) => pid);
    for (const pid of [...started, this.pid]) send(pid, 'SIGCONT');
    this.kill('SIGKILL');
    await this.#gone;
    const alive = (): boolean => started.some((pid) => isAliveOrphan(pid));
    await until('what it has started is gone', () => !alive(), 3_000).catch(() => {
      for (const pid of started) send(pid, 'SIGKILL');
    });
  }

  #next(): number {
    this.#last += 1;
    return this.#last;
  }

  #send(message: Record<string, unknown>): void {
    if (this.#end === undefined && this.#child.connected) this.#child.send(message, () => {});
  }
}

/** Of a pipe or a socket only the kind, not the number. */
function kindOf(path: string): string | undefined {
  try {
    return readlinkSync(path).replace(/\[\d+\]/, '');
  } catch {
    return undefined;
  }
}

function isAliveOrphan(pid: number): boolean {
  const state = allProcesses().find((one) => one.pid === pid);
  return state !== undefined && state.state !== 'Z' && /^criu/.test(state.name);
}

/**
 * To a process that may have ended, or that there may never have been. None of what `kill()` takes for
 * a whole group or for everybody gets through.
 */
export function send(pid: number | undefined, signal: NodeJS.Signals): void {
  if (pid === undefined || pid <= 1) return;
  try {
    process.kill(pid, signal);
  } catch {
    // It has ended.
  }
}

/** To all of the group that a process leads. */
export function sendToGroup(leader: number | undefined, signal: NodeJS.Signals): void {
  if (leader === undefined || leader <= 1) return;
  try {
    process.kill(-leader, signal);
  } catch {
    // All have ended.
  }
}
