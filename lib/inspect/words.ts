import { inBytes } from '../base/in-bytes.js';
import type { CheckpointReport, MemorySizes, ProcessReport, SocketReport } from './report.js';

/** The largest of numbers, however many there are; at least 1. */
export function largestOf(numbers: readonly number[]): number {
  return numbers.reduce((largest, number) => Math.max(largest, number), 1);
}

/** Microseconds for people. */
export function inMs(microseconds: number): string {
  return `${(microseconds / 1000).toFixed(1)} ms`;
}

/** A number of things: `1 thread`, `2 threads`. */
export function counted(count: number, what: string): string {
  return `${count} ${nounOf(count, what)}`;
}

/** A noun for so many things. */
export function nounOf(count: number, what: string): string {
  if (count === 1) return what;
  return what.endsWith('s') ? `${what}es` : `${what}s`;
}

/** What a process runs, in one line. */
export function commandOf({ commandLine, name }: ProcessReport): string {
  const line = commandLine?.map(inShell).join(' ');
  return line || `[${name}]`;
}

/** An argument as a shell would take it. */
function inShell(argument: string): string {
  if (/^[\w@%+=:,./-]+$/.test(argument)) return argument;
  return `'${argument.replaceAll("'", String.raw`'\''`)}'`;
}

/** What of memory is where. */
export function memoryInWords({ mapped, saved, inherited, elsewhere }: MemorySizes): string {
  const others = [
    inherited > 0 ? `${inBytes(inherited)} in a parent` : '',
    elsewhere > 0 ? `${inBytes(elsewhere)} left behind` : '',
  ].filter(Boolean);
  return [`${inBytes(saved)} saved`, ...others, `of ${inBytes(mapped)}`]
    .join(', ')
    .replace(', of', ' of');
}

/** The memory of a process. */
export function memoryOfProcess({ mappings }: ProcessReport): MemorySizes {
  const sum = (of: (sizes: MemorySizes) => number): number =>
    mappings.reduce((total, sizes) => total + of(sizes), 0);
  return {
    mapped: sum(({ mapped }) => mapped),
    saved: sum(({ saved }) => saved),
    inherited: sum(({ inherited }) => inherited),
    elsewhere: sum(({ elsewhere }) => elsewhere),
  };
}

/** Where a socket leads. */
export function routeOf({ local, remote }: SocketReport): string {
  return [local ?? '', remote === undefined ? '' : `-> ${remote}`].filter(Boolean).join(' ');
}

/** Who holds a socket: `7:3, 8:3`. */
export function holdersOf({ holders }: SocketReport): string {
  return holders.map(({ pid, fd }) => `${pid}:${fd}`).join(', ');
}

/** What is known of a checkpoint as a whole: names and values. What is not known is left out. */
export function summaryOf(report: CheckpointReport): readonly (readonly [string, string])[] {
  const { compression, format, hasRootfsChanges, volumes } = report;
  const lines: readonly (readonly [string, string | undefined])[] = [
    ['Engine', report.engine],
    ['Name', report.name],
    ['ID', report.id],
    ['Image', report.image],
    ['Runtime', report.runtime],
    ['Created', report.created?.toISOString()],
    ['Checkpointed', report.checkpointed?.toISOString()],
    ['Kind', report.kind],
    ['Processes', String(report.processes.length)],
    ['Memory', memoryInWords(report.memory)],
    ['CRIU', report.criuVersion],
    ['Format', compression === 'none' ? format : `${format}, ${compression}`],
    ['Files', hasRootfsChanges ? 'with the changes of the root file system' : 'images alone'],
    ['Volumes', volumes.length === 0 ? undefined : volumes.join(', ')],
    ['Entries', String(report.entries)],
    ['Bytes', String(report.bytes)],
  ];
  return lines.flatMap(([name, value]) => (value === undefined ? [] : [[name, value] as const]));
}

/** What CRIU measured, as the parts of the time and their microseconds. */
export function timesOf({ times }: CheckpointReport): readonly (readonly [string, number])[] {
  if (times === undefined) return [];
  return [
    ['freezing', times.freezingTimeUs],
    ['frozen', times.frozenTimeUs],
    ['collecting memory', times.memdumpTimeUs],
    ['writing memory', times.memwriteTimeUs],
  ];
}
