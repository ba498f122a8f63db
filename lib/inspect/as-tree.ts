import { inBytes } from '../base/in-bytes.js';
import { printable } from '../base/printable.js';
import type { CheckpointReport, ProcessReport } from './report.js';
import { branchesOf } from './tree.js';
import {
  commandOf,
  counted,
  holdersOf,
  inMs,
  memoryInWords,
  memoryOfProcess,
  routeOf,
  summaryOf,
  timesOf,
} from './words.js';

/** How much a tree shows. */
export interface TreeOptions {
  /** Whether the descriptors of each process are in it. */
  readonly hasFiles?: boolean;
}

/** A report as lines for a terminal, with the processes as a tree. */
export function asTree(report: CheckpointReport, { hasFiles = false }: TreeOptions = {}): string {
  const summary = summaryOf(report).map(([name, value]) => `${`${name}:`.padEnd(14)}${value}`);
  const sections = [
    summary,
    report.processes.length === 0 ? [] : ['Processes', ...processTree(report, hasFiles)],
    section('Memory', memoryLines(report)),
    section('Sockets', socketLines(report)),
    section('Mounts', mountLines(report)),
    section('Namespaces', namespaceLines(report)),
    section(
      'Times',
      timesOf(report).map(([name, time]) => [name, inMs(time)]),
    ),
    section(
      'Parents',
      report.parents.map(({ path, saved }) => [path, `${inBytes(saved)} saved`]),
    ),
  ];
  return sections
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.map((line) => `${printable(line).trimEnd()}\n`).join(''))
    .join('\n');
}

/** A heading and rows below it, whose first cells are as wide as each other. */
function section(heading: string, rows: readonly (readonly string[])[]): string[] {
  if (rows.length === 0) return [];
  const widths: number[] = [];
  for (const row of rows) {
    for (const [at, cell] of row.entries()) {
      widths[at] = Math.min(Math.max(widths[at] ?? 0, cell.length), 48);
    }
  }
  const line = (row: readonly string[]): string =>
    row.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join('  ');
  return [heading, ...rows.map((row) => `  ${line(row)}`)];
}

/** No tree is deeper on a screen. */
const maxDepth = 60;

function processTree({ processes }: CheckpointReport, hasFiles: boolean): string[] {
  const lines: string[] = [];
  /** What stands before a process of each depth, of those above the last one. */
  const indents = [''];
  for (const { process, depth, isLast } of branchesOf(processes)) {
    const indent = indents[Math.min(depth, maxDepth)] ?? '';
    const below = `${indent}${isLast ? '   ' : '│  '}`;
    lines.push(`${indent}${isLast ? '└─' : '├─'} ${processLine(process)}`);
    if (hasFiles) lines.push(...descriptorLines(process, below));
    if (depth < maxDepth) indents[depth + 1] = below;
  }
  return lines;
}

function processLine(process: ProcessReport): string {
  const { pid, state, threads, descriptors } = process;
  const about = [
    state === 'alive' ? '' : state,
    threads.length > 1 ? counted(threads.length, 'thread') : '',
    counted(descriptors.length, 'descriptor'),
    inBytes(memoryOfProcess(process).saved),
  ].filter(Boolean);
  return `${pid} ${shortened(commandOf(process))} (${about.join(', ')})`;
}

const maxCommand = 160;

function shortened(command: string): string {
  return command.length > maxCommand ? `${command.slice(0, maxCommand)}...` : command;
}

function descriptorLines({ descriptors }: ProcessReport, indent: string): string[] {
  return descriptors.map(
    ({ fd, description }) => `${indent}   ${String(fd).padStart(4)} ${description}`,
  );
}

function memoryLines({ memory }: CheckpointReport): string[][] {
  return [
    ...memory.kinds.map(({ kind, ...sizes }) => [kind, memoryInWords(sizes)]),
    ...memory.shared.map(({ id, ...sizes }) => [`segment ${id}`, memoryInWords(sizes)]),
  ];
}

function socketLines({ sockets }: CheckpointReport): string[][] {
  return sockets.map((socket) => [
    socket.protocol,
    socket.state ?? socket.type ?? '',
    routeOf(socket),
    [
      socket.unread > 0 ? `${inBytes(socket.unread)} unread` : '',
      socket.unsent > 0 ? `${inBytes(socket.unsent)} unsent` : '',
      holdersOf(socket),
    ]
      .filter(Boolean)
      .join(', '),
  ]);
}

function mountLines({ mounts }: CheckpointReport): string[][] {
  return mounts.map(({ mountPoint, type, source, external }) => [
    mountPoint,
    type,
    external === undefined ? source : `${source} (external: ${external})`,
  ]);
}

function namespaceLines({ namespaces }: CheckpointReport): string[][] {
  return namespaces.map(({ kind, id, isOutside, pids, detail }) => [
    kind,
    isOutside ? 'of the host' : `own, ${id}`,
    counted(pids.length, 'process'),
    detail ?? '',
  ]);
}
