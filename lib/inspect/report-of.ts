import { type DumpStats, decodeDumpStats, readableStats } from '../images/stats.js';
import type { OpenChain } from './chain.js';
import { FileTable } from './descriptors.js';
import type { ImageFiles } from './files.js';
import { addSizes, noSizes, type Sizes } from './mappings.js';
import { mountsOf, namespacesOf } from './namespaces.js';
import { readPagemap } from './pagemap.js';
import { readProcesses } from './processes.js';
import type {
  CheckpointReport,
  MappingKind,
  MemoryReport,
  ParentReport,
  ProcessReport,
  SocketReport,
} from './report.js';
import { socketOf } from './sockets.js';

/**
 * Reads what a checkpoint holds.
 *
 * @throws CriuError `ERR_CRIU_IMAGE`
 */
export async function reportOf({ info, chain }: OpenChain): Promise<CheckpointReport> {
  const [images, ...parents] = chain;
  if (images === undefined) throw new Error('A checkpoint has images');
  const files = await FileTable.read(images);
  const { reports, members, pageSize } = await readProcesses([images, ...parents], files);
  return {
    ...info,
    kind: kindOf(info.hasSpec, images),
    processes: reports,
    sockets: socketsOf(reports, files),
    memory: await memoryOf(images, reports, pageSize),
    mounts: await mountsOf(images),
    namespaces: await namespacesOf(images, members),
    times: timesOf(images),
    parents: parents.map(parentOf),
  };
}

function kindOf(hasSpec: boolean, { sizes }: ImageFiles): CheckpointReport['kind'] {
  if (!sizes.has('pstree.img')) return 'pre-dump';
  // runc and crun write the first of these files beside the images of a container, and libcriu the second.
  const isContainer = sizes.has('descriptors.json') || sizes.has('libcriu-container.json');
  return hasSpec || isContainer ? 'container' : 'process';
}

function timesOf(images: ImageFiles): DumpStats | undefined {
  const stats = images.content('stats-dump');
  return stats === undefined ? undefined : readableStats(decodeDumpStats, stats);
}

function parentOf(images: ImageFiles): ParentReport {
  return { path: images.path, saved: bytesOfPages(images), times: timesOf(images) };
}

function bytesOfPages({ sizes }: ImageFiles): number {
  let sum = 0;
  for (const [name, size] of sizes) if (/^pages-.*\.img$/.test(name)) sum += size;
  return sum;
}

function socketsOf(processes: readonly ProcessReport[], files: FileTable): SocketReport[] {
  const sockets = new Map<number, SocketReport & { holders: { pid: number; fd: number }[] }>();
  for (const { pid, descriptors } of processes) {
    for (const { fd, file: id } of descriptors) {
      const file = files.file(id);
      const socket = file && socketOf(file, files.queues);
      if (socket === undefined) continue;
      const known = sockets.get(id) ?? { ...socket, holders: [] };
      sockets.set(id, known);
      known.holders.push({ pid, fd });
    }
  }
  return [...sockets.values()];
}

async function memoryOf(
  images: ImageFiles,
  processes: readonly ProcessReport[],
  pageSize: number,
): Promise<MemoryReport> {
  const kinds = new Map<MappingKind, Sizes>();
  const total = noSizes();
  for (const { kind, ...sizes } of processes.flatMap(({ mappings }) => mappings)) {
    const sum = kinds.get(kind) ?? noSizes();
    kinds.set(kind, sum);
    addSizes(sum, sizes);
    addSizes(total, sizes);
  }
  if (processes.length === 0) await addProcesses(total, images, pageSize);
  const shared = await segmentsOf(images, pageSize);
  for (const { id: _, ...sizes } of shared) addSizes(total, { ...sizes, mapped: 0 });
  const byKind = [...kinds].map(([kind, sizes]) => ({ kind, ...sizes }));
  return {
    ...total,
    kinds: byKind.sort((a, b) => b.saved - a.saved || b.mapped - a.mapped),
    shared,
  };
}

/** Segments of shared memory, whose content is in no process's pagemap. */
async function segmentsOf(images: ImageFiles, pageSize: number): Promise<MemoryReport['shared']> {
  const segments: (Sizes & { id: number })[] = [];
  for (const name of images.sizes.keys()) {
    const [, id] = /^pagemap-shmem-(\d+)\.img$/.exec(name) ?? [];
    if (id !== undefined)
      segments.push({ id: Number(id), ...(await sizesIn(images, name, pageSize)) });
  }
  return segments;
}

/** What a pagemap tells of. Of what was mapped only the end of the last page is known. */
async function sizesIn(images: ImageFiles, name: string, pageSize: number): Promise<Sizes> {
  const sizes = noSizes();
  for (const { start, end, place } of (await readPagemap(images, name, pageSize))?.extents ?? []) {
    sizes.mapped = Math.max(sizes.mapped, end);
    if (place === 'here') sizes.saved += end - start;
    else if (place === 'parent') sizes.inherited += end - start;
    else sizes.elsewhere += end - start;
  }
  return sizes;
}

/** The memory of processes of which a pre-dump has nothing else. */
async function addProcesses(to: Sizes, images: ImageFiles, pageSize: number): Promise<void> {
  for (const name of images.sizes.keys()) {
    if (!/^pagemap-\d+\.img$/.test(name)) continue;
    addSizes(to, { ...(await sizesIn(images, name, pageSize)), mapped: 0 });
  }
}
