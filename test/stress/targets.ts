import { spawn } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { Scope } from '../helpers/cleanup.js';
import { run, sleep, until } from '../helpers/system/exec.js';
import { freezerDirectory } from '../helpers/system/freezer.js';
import { processState, reportIn, tracesOf, workloadBinary } from '../helpers/system/process.js';
import { type Container, startContainer } from '../helpers/workloads/container.js';
import { send } from './subject.js';

/**
 * What is dumped under stress: `process` in our network and cgroup, `isolated` in a network
 * namespace and a freezer cgroup of its own, `container` of runc.
 */
export type TargetKind = 'process' | 'isolated' | 'container';

/** How a target fares. */
export interface Condition {
  /** Not there any more. */
  gone: boolean;
  /** What is wrong with it, a line each. */
  damages: string[];
  /** What CRIU has left in it that does no harm. */
  traces: string[];
}

/** For how long a task that was let go may take to be seen counting. */
const countingMs = 1_000;

/**
 * A process whose memory is known beforehand, and which counts: it can be told from outside whether
 * it lives, runs, has missed nothing and has all its memory.
 */
export class Target {
  readonly kind: TargetKind;
  readonly pid: number;
  /** What the call gets, and what it is. */
  readonly call: 'dump' | 'checkpoint';
  readonly key: string | number;
  readonly options: Record<string, unknown>;
  /** Directory of its freezer cgroup, of its own alone. */
  readonly cgroup: string | undefined;
  readonly container: Container | undefined;
  readonly #log: string;
  readonly #scope: Scope;
  readonly #mappings: string[];

  constructor(parts: {
    kind: TargetKind;
    pid: number;
    log: string;
    scope: Scope;
    cgroup?: string;
    container?: Container;
    options?: Record<string, unknown>;
  }) {
    this.kind = parts.kind;
    this.pid = parts.pid;
    this.container = parts.container;
    this.call = parts.container ? 'checkpoint' : 'dump';
    this.key = parts.container?.id ?? parts.pid;
    this.cgroup = parts.cgroup;
    this.options = parts.options ?? {};
    this.#log = parts.log;
    this.#scope = parts.scope;
    this.#mappings = mappingsOf(parts.pid);
  }

  /** What is wrong with it after a fault, when it had this long to be let go. */
  async examine(limitMs: number, { thorough = true } = {}): Promise<Condition> {
    const gone = { gone: true, damages: [], traces: [] };
    if (this.#isGone()) return gone;
    const deadline = performance.now() + limitMs;
    let held = this.#held();
    while (held.length > 0 && performance.now() < deadline) {
      await sleep(5);
      held = this.#held();
    }
    if (this.#isGone()) return gone;
    const damages = [...held];
    if (held.length === 0) damages.push(...(await this.#memoryAndCount(thorough)));
    if (thorough) damages.push(...(await this.#network()));
    if (this.#isGone()) return { ...gone, damages };
    const added = mappingsOf(this.pid).filter((line) => !this.#mappings.includes(line));
    return {
      gone: false,
      damages,
      traces: added.map((line) => `a mapping of the parasite: ${line}`),
    };
  }

  /** Whether it runs as if nothing had ever been. */
  get isHeld(): boolean {
    return this.#held().length > 0;
  }

  /** Ends it, in whatever state it is, and takes all of it away. */
  async end(): Promise<void> {
    this.thaw();
    await this.#unlock();
    send(this.pid, 'SIGCONT');
    if (!this.container) send(this.pid, 'SIGKILL');
    await this.#scope.close();
  }

  /** By force, so that what comes next does not suffer from what was. */
  thaw(): void {
    if (this.cgroup === undefined) return;
    for (const [file, value] of [
      ['freezer.state', 'THAWED'],
      ['cgroup.freeze', '0'],
    ] as const) {
      const path = join(this.cgroup, file);
      if (existsSync(path)) writeFileSync(path, value);
    }
  }

  async #unlock(): Promise<void> {
    if (this.kind === 'process' || this.#isGone()) return;
    await run('nsenter', ['-n', '-t', String(this.pid), 'nft', 'flush', 'ruleset']);
  }

  #isGone(): boolean {
    const state = processState(this.pid)?.state;
    return state === undefined || state === 'Z' || state === 'X';
  }

  #held(): string[] {
    const found: string[] = [];
    for (const task of tasksOf(this.pid)) {
      const state = stateOf(this.pid, task);
      if (state !== undefined && 'Tt'.includes(state.name))
        found.push(`task ${task} is stopped (${state.name})`);
      if (state !== undefined && state.tracer > 0)
        found.push(`task ${task} is traced by ${state.tracer}`);
    }
    const frozen = this.cgroup === undefined ? undefined : frozenState(this.cgroup);
    if (frozen !== undefined) found.push(`its cgroup is ${frozen}`);
    return found;
  }

  async #memoryAndCount(thorough: boolean): Promise<string[]> {
    const { size } = statSync(this.#log);
    const counts = await until(
      'it counts on',
      () => statSync(this.#log).size > size,
      countingMs,
    ).catch(() => false);
    if (!counts) return this.#isGone() ? [] : ['it does not count on'];
    if (!thorough) return [];
    const verdict = `${this.#log}.verdict`;
    writeFileSync(verdict, '');
    writeFileSync(`${this.#log}.check`, '');
    const read = (): string => readFileSync(verdict, 'utf8');
    await until('the verdict', () => read().endsWith('\n'), 5_000).catch(() => false);
    const damages =
      read().trim() === 'intact' ? [] : [`its memory: ${read().trim() || 'no verdict'}`];
    const ticks = readFileSync(this.#log, 'latin1')
      .trim()
      .split('\n')
      .map((line) => Number(line.split(' ')[0]));
    const gap = ticks.findIndex(
      (tick, index) =>
        index > 0 && index < ticks.length - 1 && tick !== (ticks[index - 1] ?? 0) + 1,
    );
    return gap < 0 ? damages : [...damages, `it has counted ${ticks[gap - 1]}, ${ticks[gap]}`];
  }

  /** Rules of CRIU that are left in its own network. */
  async #network(): Promise<string[]> {
    if (this.kind === 'process') return [];
    const { stdout } = await run('nsenter', [
      '-n',
      '-t',
      String(this.pid),
      'nft',
      'list',
      'ruleset',
    ]);
    return /\bCRIU\b/.test(stdout) ? [`its network is locked: ${stdout.split('\n')[0]}`] : [];
  }
}

function mappingsOf(pid: number): string[] {
  try {
    return tracesOf(pid).mappings;
  } catch {
    return [];
  }
}

function tasksOf(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/task`);
  } catch {
    return [];
  }
}

function stateOf(pid: number, task: string): { name: string; tracer: number } | undefined {
  try {
    const status = readFileSync(`/proc/${pid}/task/${task}/status`, 'utf8');
    return {
      name: /^State:\s*(\S)/m.exec(status)?.[1] ?? '?',
      tracer: Number(/^TracerPid:\s*(\d+)$/m.exec(status)?.[1] ?? 0),
    };
  } catch {
    return undefined;
  }
}

/** `FREEZING` or `FROZEN`; undefined for what is neither. */
export function frozenState(cgroup: string): string | undefined {
  const read = (file: string): string => {
    try {
      return readFileSync(join(cgroup, file), 'utf8').trim();
    } catch {
      return '';
    }
  };
  const v1 = read('freezer.state');
  if (v1 !== '') return v1 === 'THAWED' ? undefined : v1;
  return read('cgroup.freeze') === '1' || /^frozen 1$/m.test(read('cgroup.events'))
    ? 'FROZEN'
    : undefined;
}

let number = 0;

/** @param mebibytes - The memory that it knows. */
export async function startTarget(kind: TargetKind, mebibytes: number): Promise<Target> {
  const scope = new Scope();
  if (kind === 'container') {
    const args = ['/workload', '/ready', 'state', String(mebibytes), '/ticks'];
    const container = await startContainer(scope, { args });
    const { pid } = container;
    return new Target({
      kind,
      pid,
      scope,
      container,
      cgroup: freezerDirectory(pid).path,
      log: join(container.rootfs, 'ticks'),
      // Its network is locked, so that a lock could be left.
      options: { stateRoot: container.stateRoot, networkLock: 'nftables' },
    });
  }
  const directory = await scope.directory();
  const [log, ready] = [join(directory, 'ticks'), join(directory, 'ready')];
  const state = [await workloadBinary(), ready, 'state', String(mebibytes), log];
  const [program = '', ...args] = kind === 'isolated' ? ['unshare', '--net', ...state] : state;
  const child = spawn(program, args, { detached: true, stdio: 'ignore', cwd: '/' });
  const { pid = 0 } = child;
  const gone = new Promise((resolve) => child.once('exit', resolve));
  scope.defer(async () => {
    send(pid, 'SIGKILL');
    if (child.exitCode === null && child.signalCode === null) await gone;
    await until(
      'the target is gone',
      () => !existsSync(`/proc/${pid}`) || processState(pid)?.state === 'Z',
    );
  });
  await until('the target is ready', () => reportIn(ready), 20_000);
  if (kind === 'process') return new Target({ kind, pid, scope, log });
  const cgroup = makeCgroup(scope, pid);
  const { ino } = statSync(`/proc/${pid}/ns/net`);
  const options = { freezeCgroup: cgroup, external: [`net[${ino}]:extRootNetNS`] };
  return new Target({ kind, pid, scope, log, cgroup, options });
}

function makeCgroup(scope: Scope, pid: number): string {
  number += 1;
  const controller = existsSync('/sys/fs/cgroup/freezer')
    ? '/sys/fs/cgroup/freezer'
    : '/sys/fs/cgroup';
  const cgroup = join(controller, `libcriu-${process.pid}-stress-${number}`);
  mkdirSync(cgroup);
  scope.defer(async () => {
    // The target is ended before; what is left in it is on its way out.
    send(pid, 'SIGKILL');
    await until('the cgroup is removed', () => {
      try {
        rmdirSync(cgroup);
      } catch {
        return !existsSync(cgroup);
      }
      return true;
    });
  });
  writeFileSync(join(cgroup, 'cgroup.procs'), String(pid));
  return cgroup;
}
