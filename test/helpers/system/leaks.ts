import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { run, sleep, until } from './exec.js';
import { linkTarget } from './link.js';
import { allProcesses, commandLine, type ProcessState } from './process.js';

/** What this process and the machine hold at one moment. */
export interface Holdings {
  /** How many of each kind: the criu that is kept ready is another one after each dump. */
  descriptors: Map<string, number>;
  processes: Map<string, number>;
  mounts: Set<string>;
  /** Undefined where they do not matter. */
  cgroups: Set<string> | undefined;
  rules: string;
}

/** Programs that CRIU and we start: one of them left behind is a leak whoever its parent is now. */
const ours = /^(criu|criu_guard|criu_init|criu_layer|runc|tar|gzip|ip6?tables.*|nft|strace)$/;

function count(names: readonly string[]): Map<string, number> {
  const found = new Map<string, number>();
  for (const name of names) found.set(name, (found.get(name) ?? 0) + 1);
  return found;
}

function descriptors(): Map<string, number> {
  const targets = readdirSync('/proc/self/fd')
    .map((fd) => linkTarget(`/proc/self/fd/${fd}`))
    // The descriptor of the listing itself is gone by now.
    .filter((target) => target !== undefined);
  // Of a pipe or a socket only the kind counts, not the number.
  return count(targets.map((target) => target.replace(/\[\d+\]/, '')));
}

/** Of a container that another test process of this machine makes or removes just now. */
function isOthers(name: string): boolean {
  const maker = /^libcriu-(\d+)-/.exec(name)?.[1];
  return maker !== undefined && Number(maker) !== process.pid;
}

/** Those that nobody is in: one with tasks belongs to a container that somebody runs. */
function emptyCgroups(): Set<string> {
  const found = new Set<string>();
  const visit = (path: string, depth: number): void => {
    try {
      if (readFileSync(join(path, 'cgroup.procs'), 'utf8') === '') found.add(path);
      if (depth === 0) return;
      for (const entry of readdirSync(path, { withFileTypes: true })) {
        if (entry.isDirectory() && !isOthers(entry.name)) visit(join(path, entry.name), depth - 1);
      }
    } catch (error) {
      // Gone meanwhile, or a mount point of all controllers.
      if (!['ENOENT', 'ENODEV'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
    }
  };
  for (const controller of readdirSync('/sys/fs/cgroup')) {
    if (existsSync(join('/sys/fs/cgroup', controller, 'cgroup.procs'))) {
      visit(join('/sys/fs/cgroup', controller), 3);
    }
  }
  return found;
}

function isDescendant(state: ProcessState, all: ReadonlyMap<number, ProcessState>): boolean {
  for (let at: ProcessState | undefined = state; at !== undefined; at = all.get(at.parent)) {
    if (at.parent === process.pid) return true;
  }
  return false;
}

const isDead = ({ state }: ProcessState): boolean => state === 'Z' || state === 'X';

/**
 * Whether it is a program that we or CRIU start, and has lost its parent. A dead one waits for init,
 * not for us.
 */
const isOrphan = (state: ProcessState): boolean =>
  state.parent === 1 && !isDead(state) && ours.test(state.name);

/** The orphans of the machine, a line each. */
export function orphans(): Map<number, string> {
  return new Map(
    allProcesses()
      .filter(isOrphan)
      .map(({ pid, name, state }) => [
        pid,
        `${name} (${pid}, ${state}): ${commandLine(pid).replaceAll('\0', ' ')}`,
      ]),
  );
}

/** Of the processes those that could be ours: our descendants and the orphans. */
function processes(ignored: ReadonlySet<number>): Map<string, number> {
  const all = new Map(allProcesses().map((state) => [state.pid, state]));
  const names: string[] = [];
  for (const state of all.values()) {
    if (ignored.has(state.pid)) continue;
    if (isDescendant(state, all)) names.push(`${state.name}${isDead(state) ? ' (zombie)' : ''}`);
    else if (isOrphan(state)) names.push(`${state.name} (orphan)`);
  }
  return count(names);
}

/** What iptables makes by being asked, empty chains that let everything pass, is no rule. */
const emptyTables =
  /^\s*(type .* policy accept;|(chain|table) .*\b(INPUT|FORWARD|OUTPUT|PREROUTING|POSTROUTING|filter|nat|mangle|raw|security) \{|\})?$/;

/**
 * The rules of nftables and iptables, a line each.
 *
 * @param networkOf - A process whose network namespace is asked about, in place of our own.
 */
export async function firewallRules(networkOf: number | 'self' = 'self'): Promise<string> {
  const inNetwork = (...command: string[]): ReturnType<typeof run> =>
    run('nsenter', [`--net=/proc/${networkOf}/ns/net`, ...command]);
  const { stdout } = await inNetwork('nft', 'list', 'ruleset');
  // iptables' rules are there too, unless they are of its old kind.
  const old = await Promise.all([inNetwork('iptables-save'), inNetwork('ip6tables-save')]);
  const lines = [
    ...stdout.split('\n').filter((line) => !emptyTables.test(line)),
    ...old.flatMap((outcome) => outcome.stdout.split('\n')).filter((line) => line.startsWith('-A')),
  ];
  return lines.map((line) => line.replace(/counter packets \d+ bytes \d+/, 'counter')).join('\n');
}

/** @param ignoredPids - Processes that come and go by themselves. */
export async function takeHoldings(ignoredPids: readonly number[] = []): Promise<Holdings> {
  return {
    descriptors: descriptors(),
    processes: processes(new Set(ignoredPids)),
    mounts: new Set(readFileSync('/proc/self/mountinfo', 'utf8').trim().split('\n')),
    cgroups: emptyCgroups(),
    rules: await firewallRules(),
  };
}

/**
 * The same, once nothing comes or goes: while a spare is started, some of its descriptors are there
 * and others are not.
 *
 * @param isReady - Whether what there is to be is there.
 */
export async function settledHoldings(
  ignoredPids: readonly number[] = [],
  isReady: (holdings: Holdings) => boolean = () => true,
): Promise<Holdings> {
  let last = await takeHoldings(ignoredPids);
  return until('nothing comes or goes', async () => {
    await sleep(50);
    const [before, now] = [last, await takeHoldings(ignoredPids)];
    last = now;
    const isSettled = isDeepStrictEqual(
      [before.processes, before.descriptors],
      [now.processes, now.descriptors],
    );
    return isSettled && isReady(now) ? now : undefined;
  });
}

/** What is there now and was not before, a line each. */
function difference(before: Holdings, after: Holdings): string[] {
  const found: string[] = [];
  for (const kind of ['descriptors', 'processes'] as const) {
    for (const [name, number] of after[kind]) {
      const more = number - (before[kind].get(name) ?? 0);
      if (more > 0) found.push(`${more} more of ${kind}: ${name}`);
    }
  }
  for (const mount of after.mounts) if (!before.mounts.has(mount)) found.push(`mount ${mount}`);
  for (const group of after.cgroups ?? []) {
    if (before.cgroups?.has(group) === false) found.push(`cgroup ${group}`);
  }
  if (before.rules !== after.rules) found.push(`firewall rules: ${after.rules}`);
  return found;
}

/** Whether the worker that a dump leaves for the next is there, and no other. */
export const hasSpare = ({ processes }: Holdings): boolean => processes.get('criu') === 1;

/**
 * Fails when something is there that was not before, and stays: what is on its way out (a criu that
 * is just ending) gets time for it.
 */
export async function assertNoLeak(
  before: Holdings,
  ignoredPids: readonly number[] = [],
): Promise<void> {
  let found: string[] = [];
  await until('nothing is left behind', async () => {
    found = difference(before, await takeHoldings(ignoredPids));
    return found.length === 0;
  }).catch((error: unknown) => {
    throw found.length > 0 ? new Error(`left behind:\n${found.join('\n')}`) : error;
  });
}
