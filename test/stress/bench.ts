import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { Scope } from '../helpers/cleanup.js';
import { sleep, until } from '../helpers/system/exec.js';
import { type Holdings as MachineHoldings, takeHoldings } from '../helpers/system/leaks.js';
import { useLargePipes } from '../helpers/system/network.js';
import { allProcesses, processState } from '../helpers/system/process.js';
import { type Holdings, Subject, send } from './subject.js';
import { startTarget, type Target, type TargetKind } from './targets.js';

/** For how long what is on its way out may still be seen. */
const leavingMs = 3_000;

/** The same numbers again for the same seed (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** What a kind of fault works with: a process under stress, targets, a place, and what there was before. */
export class Bench {
  readonly random: () => number;
  /** How many moments at random, or rounds. */
  readonly rounds: number;
  readonly directory: string;
  readonly #scope = new Scope();
  readonly #targets = new Map<TargetKind, Target>();
  #subject: Subject | undefined;
  #environment: Record<string, string>;
  #baseline: Holdings | undefined;
  #machine: MachineHoldings | undefined;
  #known = new Set<number>();
  #paths = 0;

  constructor(rounds: number, seed: number, environment: Record<string, string> = {}) {
    this.rounds = rounds;
    this.random = seeded(seed);
    this.#environment = environment;
    this.directory = mkdtempSync(join(tmpdir(), 'libcriu-stress-'));
  }

  /** A path that is not there yet. */
  path(name: string): string {
    this.#paths += 1;
    return join(this.directory, `${name}-${this.#paths}`);
  }

  /** The process under stress; another one when the last has ended. */
  async subject(): Promise<Subject> {
    if (this.#subject && this.#subject.end === undefined) return this.#subject;
    const subject = await Subject.start(this.#environment);
    this.#subject = subject;
    // What is started once (threads, the spare, the guard) is there from here on.
    const target = await this.target('process');
    for (const name of ['warm', 'up']) {
      const images = this.path(name);
      await Promise.all([
        subject.call('version'),
        subject.call('features'),
        subject.call('dump', target.pid, { leaveRunning: true, imagePath: images }),
      ]);
      await rm(images, { recursive: true, force: true });
    }
    this.#baseline = await settled(subject);
    return subject;
  }

  /** One that has done nothing yet, and has none of the threads that others have. */
  async coldSubject(): Promise<Subject> {
    await this.replaceSubject();
    this.#baseline = undefined;
    this.#subject = await Subject.start(this.#environment);
    return this.#subject;
  }

  /** A target that nothing has happened to. */
  async target(kind: TargetKind): Promise<Target> {
    const there = this.#targets.get(kind);
    if (there) return there;
    const target = await startTarget(kind, 8);
    this.#targets.set(kind, target);
    return target;
  }

  /** Takes one away that has suffered, or is gone. */
  async drop(target: Target): Promise<void> {
    for (const [kind, one] of this.#targets) if (one === target) this.#targets.delete(kind);
    await target.end();
  }

  /** The process under stress is ended, and another takes its place. */
  async replaceSubject(environment?: Record<string, string>): Promise<void> {
    if (environment) this.#environment = environment;
    await this.#subject?.stop();
    this.#subject = undefined;
  }

  /** What the process under stress holds more than when it was warm. */
  async leaks(): Promise<string[]> {
    const subject = this.#subject;
    if (!subject || subject.end !== undefined || !this.#baseline) return [];
    const baseline = this.#baseline;
    let found: string[] = [];
    await until(
      'nothing is left behind',
      () => {
        found = subject.end === undefined ? more(baseline, subject.holdings()) : [];
        return found.length === 0;
      },
      leavingMs,
    ).catch(() => {});
    return found;
  }

  /** To be called before the first fault of a kind. */
  async begin(): Promise<void> {
    this.#known = new Set(allProcesses().map(({ pid }) => pid));
    this.#machine = await takeHoldings();
    useLargePipes(this.#scope);
  }

  /** What a kind has left on the machine, once its targets and processes are gone. */
  async end(): Promise<string[]> {
    await this.replaceSubject();
    for (const target of [...this.#targets.values()]) await this.drop(target);
    await this.#scope.close();
    rmSync(this.directory, { recursive: true, force: true, maxRetries: 5 });
    const before = this.#machine;
    if (!before) return [];
    let found: string[] = [];
    await until(
      'nothing is left behind',
      async () => {
        found = moreOnMachine(before, await takeHoldings(), this.#known);
        return found.length === 0;
      },
      leavingMs,
    ).catch(() => {});
    return found;
  }
}

/** Once nothing comes or goes. */
async function settled(subject: Subject): Promise<Holdings> {
  let last = subject.holdings();
  return until('nothing comes or goes', async () => {
    await sleep(100);
    const [before, now] = [last, subject.holdings()];
    last = now;
    return isDeepStrictEqual(before, now) && now.children.includes('criu') ? now : undefined;
  });
}

function more(before: Holdings, now: Holdings): string[] {
  const found: string[] = [];
  for (const [name, count] of now.descriptors) {
    const added = count - (before.descriptors.get(name) ?? 0);
    if (added > 0) found.push(`${added} more descriptors: ${name}`);
  }
  if (now.threads > before.threads + waitingThreads)
    found.push(`${now.threads - before.threads} more threads`);
  const children = [...now.children];
  for (const name of before.children) {
    const at = children.indexOf(name);
    if (at >= 0) children.splice(at, 1);
  }
  for (const name of children) found.push(`a process: ${name}`);
  return found;
}

/** The addon keeps up to four threads for what comes next, and libuv starts its own when it needs them. */
const waitingThreads = 4;

function moreOnMachine(
  before: MachineHoldings,
  now: MachineHoldings,
  known: ReadonlySet<number>,
): string[] {
  const found = allProcesses()
    .filter(({ pid, name, state }) => !known.has(pid) && state !== 'Z' && startedByUs.test(name))
    .map(
      ({ pid, parent, name, state }) =>
        `a process on the machine: ${pid} ${name} ${state}, of ${parent}`,
    );
  for (const mount of now.mounts) if (!before.mounts.has(mount)) found.push(`a mount: ${mount}`);
  for (const group of now.cgroups ?? []) {
    if (before.cgroups?.has(group) === false) found.push(`a cgroup: ${group}`);
  }
  if (before.rules !== now.rules) found.push(`firewall rules: ${now.rules}`);
  return found;
}

/** Programs that CRIU and we start, and targets that were restored. */
const startedByUs = /^(criu|criu_guard|criu_detach|criu_layer|tar|gzip|iptables.*|nft|workload.*)$/;

/** Whether a directory holds images that look complete. */
export function looksComplete(imagePath: string): boolean {
  return (
    existsSync(join(imagePath, 'inventory.img')) &&
    readdirSync(imagePath).some((name) => name.startsWith('pstree'))
  );
}

/** Which of these processes are still there, and criu or the guard. */
export function livesOn(pids: readonly number[]): string[] {
  return pids.flatMap((pid) => {
    const found = processState(pid);
    if (found === undefined || found.state === 'Z' || !found.name.startsWith('criu')) return [];
    return [`${found.name} ${pid} is in state ${found.state}`];
  });
}

/** Continues and ends what a stopped process holds up. */
export function continueAll(pids: readonly number[]): void {
  for (const pid of pids) send(pid, 'SIGCONT');
}
