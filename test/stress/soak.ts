import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { requireNeeds } from '../helpers/needs.js';
import { runOk, sleep } from '../helpers/system/exec.js';
import { firewallRules } from '../helpers/system/leaks.js';
import { compile } from './programs.js';
import { hasGrown, isFlat, type Slope, slopeOf } from './slope.js';
import { Subject } from './subject.js';
import { startTarget, type Target } from './targets.js';

const help = `Usage: npm run test:soak -- [option]...

Dumps a process and checkpoints a container, left running, again and again in one Node process, and
looks whether memory, descriptors, threads, processes, mounts, cgroups or rules grow.

  --dumps N         of a process (default: 10000)
  --checkpoints N   of a container (default: 3000)
  --every N         rounds between two looks (default: 100)
  --env NAME=VALUE  for the Node process; may be repeated
  --json FILE       write all samples there
`;

/**
 * What is looked at: memory with the growth over all rounds that counts as none, and things to be
 * counted. A leak shows in what malloc has given out. What the process holds beyond that is free memory
 * in malloc's arenas and V8's, which both take more in steps.
 */
const measures = {
  mallocKiB: 64,
  rssKiB: 8192,
  heapKiB: 1024,
  arenasKiB: 4096,
  jsHeapKiB: 256,
  externalKiB: 1024,
  shmKiB: 64,
  descriptors: 'counted',
  threads: 'counted',
  children: 'counted',
  zombies: 'counted',
  mounts: 'counted',
  cgroups: 'counted',
  rules: 'counted',
} as const;
type Measure = keyof typeof measures;
type Sample = { round: number } & Record<Measure, number>;

/** Private dirty memory of the process by what it is for, in KiB. */
function nativeMemory(pid: number): { rss: number; heap: number; anonymous: number; shm: number } {
  const sums = { rss: 0, heap: 0, anonymous: 0, shm: 0 };
  let name = '';
  for (const line of readFileSync(`/proc/${pid}/smaps`, 'utf8').split('\n')) {
    const head = /^[0-9a-f]+-[0-9a-f]+ \S+ \S+ \S+ \d+\s*(.*)$/.exec(line);
    if (head) {
      name = head[1] ?? '';
      continue;
    }
    const [, field, value] = /^(Rss|Private_Dirty):\s+(\d+) kB$/.exec(line) ?? [];
    if (field === 'Rss') sums.rss += Number(value);
    if (field !== 'Private_Dirty') continue;
    if (name === '[heap]') sums.heap += Number(value);
    else if (name === '') sums.anonymous += Number(value);
    else if (name.startsWith('/memfd') || name.startsWith('/dev/shm')) sums.shm += Number(value);
  }
  return sums;
}

function countCgroups(): number {
  let count = 0;
  const visit = (path: string, depth: number): void => {
    try {
      for (const entry of readdirSync(path, { withFileTypes: true })) {
        if (!entry.isDirectory()) continue;
        count++;
        if (depth > 0) visit(join(path, entry.name), depth - 1);
      }
    } catch {
      // It is gone.
    }
  };
  visit('/sys/fs/cgroup', 4);
  return count;
}

async function sample(
  subject: Subject,
  round: number,
  memory: NodeJS.MemoryUsage,
  mallocUse: string,
): Promise<Sample> {
  const { rss, heap, anonymous, shm } = nativeMemory(subject.pid);
  const { descriptors, threads, children } = subject.holdings();
  const jsHeapKiB = memory.heapTotal / 1024;
  return {
    round,
    rssKiB: rss,
    heapKiB: heap,
    mallocKiB: Number(readFileSync(mallocUse).readBigUInt64LE()) / 1024,
    // V8's heap is anonymous memory, too.
    arenasKiB: anonymous - jsHeapKiB,
    jsHeapKiB: memory.heapUsed / 1024,
    externalKiB: (memory.external + memory.arrayBuffers) / 1024,
    descriptors: [...descriptors.values()].reduce((sum, count) => sum + count, 0),
    threads,
    children: children.length,
    zombies: children.filter((name) => name.endsWith('(zombie)')).length,
    mounts: readFileSync('/proc/self/mountinfo', 'utf8').split('\n').length,
    cgroups: countCgroups(),
    rules: (await firewallRules()).split('\n').filter(Boolean).length,
    shmKiB: shm,
  };
}

/** Without V8's optimizing compiler, whose code and notes grow for hours, and hide what does not end. */
const flags = ['--expose-gc', '--no-opt', '--no-sparkplug'];

/** What a thread keeps for itself of what it has freed counts as given out. */
const uncached = 'glibc.malloc.tcache_count=0';

interface Soak {
  name: string;
  samples: Sample[];
  rounds: number;
  failed: number;
  last: unknown;
}

/** One kind of call, in a Node process of its own. */
async function soak(
  name: string,
  target: Target,
  rounds: number,
  every: number,
  environment: Record<string, string>,
): Promise<Soak> {
  const directory = mkdtempSync(join(tmpdir(), 'libcriu-soak-'));
  await runOk('mount', ['-t', 'tmpfs', '-o', 'size=256m,mode=700', 'libcriu-soak', directory]);
  mkdirSync(join(directory, 'images'));
  const imagePath = join(directory, 'images', 'round');
  const options = { leaveRunning: true, imagePath, ...target.options };
  const mallocUse = join(directory, 'malloc-use');
  writeFileSync(mallocUse, Buffer.alloc(8));
  const preload = await compile('mallocUse', directory);
  const subject = await Subject.start(
    { LD_PRELOAD: preload, MALLOC_USE: mallocUse, GLIBC_TUNABLES: uncached, ...environment },
    flags,
  );
  const result: Soak = { name, samples: [], rounds, failed: 0, last: undefined };
  try {
    for (let round = 0; round < rounds; round += every) {
      const { failed, last, memory } = await subject.soak({
        call: target.call,
        target: target.key,
        options,
        rounds: Math.min(every, rounds - round),
        remove: imagePath,
      });
      result.failed += failed;
      result.last = last ?? result.last;
      // What is on its way out (the last worker) has gone by then.
      await sleep(100);
      result.samples.push(await sample(subject, round + every, memory, mallocUse));
      if (process.stderr.isTTY) process.stderr.write(`\r${name}: ${round + every} of ${rounds} `);
    }
  } finally {
    await subject.stop();
    await runOk('umount', [directory]);
    rmSync(directory, { recursive: true });
  }
  return result;
}

function tell({ name, samples, rounds, failed, last }: Soak): {
  lines: string[];
  rises: Measure[];
} {
  const rises: Measure[] = [];
  const rows = Object.entries(measures).map(([measure, tolerated]) => {
    const key = measure as Measure;
    const values = samples.map((one) => ({ round: one.round, value: one[key] }));
    const slope: Slope = slopeOf(values);
    const flat = tolerated === 'counted' ? !hasGrown(values) : isFlat(slope, rounds, tolerated);
    if (!flat) rises.push(key);
    const per100 = (value: number): string => (value * 100).toFixed(2);
    const first = samples[Math.floor(samples.length * 0.3)]?.[key] ?? 0;
    const end = samples.at(-1)?.[key] ?? 0;
    return `| ${name} | ${measure} | ${first.toFixed(0)} | ${end.toFixed(0)} | ${per100(slope.perRound)} (${per100(slope.lowest)} to ${per100(slope.highest)}) | ${flat ? 'flat' : 'RISES'} |`;
  });
  const lines = [
    ...rows,
    `| ${name} | failed | | ${failed} of ${rounds} | | ${failed === 0 ? '' : JSON.stringify(last)} |`,
  ];
  return { lines, rises };
}

/** The command `npm run test:soak`. */
export async function main(args: string[]): Promise<number> {
  const { values } = parseArgs({
    args,
    options: {
      dumps: { type: 'string', default: '10000' },
      checkpoints: { type: 'string', default: '3000' },
      every: { type: 'string', default: '100' },
      env: { type: 'string', multiple: true, default: [] },
      json: { type: 'string' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(help);
    return 0;
  }
  requireNeeds('root', 'criu', 'libcriu', 'build', 'runc', 'busybox', 'gcc');
  const environment = Object.fromEntries(
    values.env.map((pair) => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)]),
  );
  const every = Number(values.every);
  const parts = [
    { name: 'dump', kind: 'process', rounds: Number(values.dumps) },
    { name: 'checkpoint', kind: 'container', rounds: Number(values.checkpoints) },
  ] as const;
  const soaks: Soak[] = [];
  for (const { name, kind, rounds } of parts) {
    if (rounds === 0) continue;
    const target = await startTarget(kind, 1);
    try {
      soaks.push(await soak(name, target, rounds, every, environment));
    } finally {
      await target.end();
    }
  }
  if (values.json !== undefined) writeFileSync(values.json, JSON.stringify(soaks, null, 2));
  const told = soaks.map(tell);
  const head = [
    '| what | measure | after warm-up | at the end | per 100 rounds (99.9 %) | |',
    '| --- | --- | --- | --- | --- | --- |',
  ];
  process.stdout.write(`${[...head, ...told.flatMap(({ lines }) => lines)].join('\n')}\n`);
  const isGood =
    told.every(({ rises }) => rises.length === 0) && soaks.every(({ failed }) => failed === 0);
  return isGood ? 0 : 1;
}
