import type { OpenChain } from './chain.js';
import type {
  CheckpointDiff,
  ComparedCheckpoint,
  KindDiff,
  PageDiff,
  ProcessDiff,
} from './diff-report.js';
import { type Digests, readDigests } from './digests.js';
import { Entry } from './entry.js';
import type { ImageFiles } from './files.js';
import { addSizes, noSizes } from './mappings.js';
import { pagemapOf, sharedPagemapOf } from './pagemap.js';
import { pageSizeOf } from './processes.js';
import type {
  CheckpointReport,
  DescriptorReport,
  MappingKind,
  MemorySizes,
  ProcessReport,
  SocketReport,
} from './report.js';
import { reportOf } from './report-of.js';

/** A checkpoint, as it is compared. */
interface Side {
  readonly report: CheckpointReport;
  /** Those of each pagemap, by its name. */
  readonly pages: ReadonlyMap<string, Digests>;
}

/**
 * Compares two checkpoints.
 *
 * @throws CriuError `ERR_CRIU_IMAGE`
 */
export async function diffOf(first: OpenChain, second: OpenChain): Promise<CheckpointDiff> {
  const before = await sideOf(first);
  const after = await sideOf(second);
  const processes = changes(before.report.processes, after.report.processes, ({ pid }) => `${pid}`);
  const known = new Map(before.report.processes.map((process) => [process.pid, process]));
  const stayed = after.report.processes.flatMap((process) => {
    const former = known.get(process.pid);
    return former === undefined ? [] : [processDiff(former, process, before, after)];
  });
  const names = new Set([...before.pages.keys(), ...after.pages.keys()]);
  return {
    before: about(before.report),
    after: about(after.report),
    processes: { ...processes, stayed },
    sockets: changes(before.report.sockets, after.report.sockets, socketKey),
    memory: {
      kinds: kindsOf(
        before.report.processes.flatMap(({ mappings }) => mappings),
        after.report.processes.flatMap(({ mappings }) => mappings),
      ),
      pages: sumOf([...names].map((name) => pagesOf(name, before, after))),
      shared: sharedPages(before, after),
    },
  };
}

async function sideOf(opened: OpenChain): Promise<Side> {
  const report = await reportOf(opened);
  const [images] = opened.chain;
  const pids = report.processes.map(({ pid }) => pid);
  const pageSize = await pageSizeIn(images, pids);
  const names = [...(images?.sizes.keys() ?? [])].filter((name) => /^pagemap-.*\.img$/.test(name));
  return { report, pages: await readDigests(opened.chain, names, pageSize) };
}

async function pageSizeIn(
  images: ImageFiles | undefined,
  pids: readonly number[],
): Promise<number> {
  return pageSizeOf((await images?.first(`mm-${pids[0]}.img`)) ?? new Entry({}));
}

function about({ path, name, checkpointed }: CheckpointReport): ComparedCheckpoint {
  return { path, name, checkpointed };
}

/** What came and what went, by what one of them is known by. Several may be known by the same. */
function changes<T>(
  before: readonly T[],
  after: readonly T[],
  keyOf: (one: T) => string,
): { came: T[]; went: T[] } {
  const without = (list: readonly T[], others: readonly T[]): T[] => {
    const counts = new Map<string, number>();
    for (const other of others) counts.set(keyOf(other), (counts.get(keyOf(other)) ?? 0) + 1);
    return list.filter((one) => {
      const left = counts.get(keyOf(one)) ?? 0;
      counts.set(keyOf(one), left - 1);
      return left <= 0;
    });
  };
  return { came: without(after, before), went: without(before, after) };
}

function processDiff(
  former: ProcessReport,
  process: ProcessReport,
  before: Side,
  after: Side,
): ProcessDiff {
  const isSame = JSON.stringify(former.commandLine) === JSON.stringify(process.commandLine);
  return {
    pid: process.pid,
    name: process.name,
    commandLine: isSame ? undefined : { before: former.commandLine, after: process.commandLine },
    threads: changes(former.threads, process.threads, String),
    descriptors: changes(former.descriptors, process.descriptors, descriptorKey),
    kinds: kindsOf(former.mappings, process.mappings),
    pages: pagesOf(pagemapOf(process.pid), before, after),
  };
}

function descriptorKey({ fd, type, description }: DescriptorReport): string {
  // The numbers of what has no name are others in each dump.
  return `${fd} ${type} ${withoutNumbers(description)}`;
}

function socketKey({ protocol, type, state, local, remote }: SocketReport): string {
  return JSON.stringify([protocol, type, state, local, withoutNumbers(remote ?? '')]);
}

function withoutNumbers(text: string): string {
  return text.replace(/^(pipe|socket) \d+$|(?<=-> socket )\d+/, '$1');
}

/** The kinds of memory of which one has more than the other. */
function kindsOf(
  before: readonly (MemorySizes & { kind: MappingKind })[],
  after: readonly (MemorySizes & { kind: MappingKind })[],
): KindDiff[] {
  const sums = new Map<MappingKind, { before: MemorySizes; after: MemorySizes }>();
  for (const [side, list] of [
    ['before', before],
    ['after', after],
  ] as const) {
    for (const { kind, ...sizes } of list) {
      const sum = sums.get(kind) ?? { before: noSizes(), after: noSizes() };
      sums.set(kind, sum);
      addSizes(sum[side], sizes);
    }
  }
  return [...sums]
    .map(([kind, sum]) => ({ kind, ...sum }))
    .filter((diff) => JSON.stringify(diff.before) !== JSON.stringify(diff.after));
}

function pagesOf(name: string, before: Side, after: Side): PageDiff {
  const former = before.pages.get(name)?.pages();
  const latter = after.pages.get(name)?.pages();
  const diff = { same: 0, changed: 0, came: 0, went: 0 };
  let a = former?.next();
  let b = latter?.next();
  // Both go on together where they have a page of one address.
  while (a?.done === false || b?.done === false) {
    const [from, content] = a?.done === false ? a.value : nowhere;
    const [to, other] = b?.done === false ? b.value : nowhere;
    if (from === to) diff[content === other ? 'same' : 'changed'] += 1;
    else diff[from < to ? 'went' : 'came'] += 1;
    if (from <= to) a = former?.next();
    if (to <= from) b = latter?.next();
  }
  return diff;
}

/** It is behind every page. */
const nowhere = [Number.POSITIVE_INFINITY, 0n] as const;

function sharedPages(before: Side, after: Side): (PageDiff & { id: number })[] {
  const ids = [before, after].flatMap(({ report }) => report.memory.shared.map(({ id }) => id));
  return [...new Set(ids)].map((id) => ({ id, ...pagesOf(sharedPagemapOf(id), before, after) }));
}

function sumOf(diffs: readonly PageDiff[]): PageDiff {
  const sum = (of: (diff: PageDiff) => number): number =>
    diffs.reduce((total, diff) => total + of(diff), 0);
  return {
    same: sum(({ same }) => same),
    changed: sum(({ changed }) => changed),
    came: sum(({ came }) => came),
    went: sum(({ went }) => went),
  };
}
