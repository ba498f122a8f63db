import { printable } from '../base/printable.js';
import type { CheckpointReport } from './report.js';
import { commandOf, holdersOf, largestOf, memoryOfProcess, routeOf } from './words.js';

/** Rows of cells. */
interface Table {
  readonly heading: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly (number | string | undefined)[])[];
}

/** A report as tables, whose rows a program can take apart: columns are two spaces or more from each other. */
export function asTables(report: CheckpointReport): string {
  return tablesOf(report)
    .filter(({ rows }) => rows.length > 0)
    .map(inText)
    .join('\n');
}

function tablesOf({ processes, sockets, mounts, namespaces }: CheckpointReport): Table[] {
  return [
    {
      heading: 'Processes',
      columns: ['PID', 'PPID', 'UID', 'STATE', 'THREADS', 'FDS', 'SAVED', 'COMMAND'],
      rows: processes.map((process) => [
        process.pid,
        process.parentPid,
        process.uid,
        process.state,
        process.threads.length,
        process.descriptors.length,
        memoryOfProcess(process).saved,
        commandOf(process),
      ]),
    },
    {
      heading: 'Descriptors',
      columns: ['PID', 'FD', 'TYPE', 'LEADS TO'],
      rows: processes.flatMap(({ pid, descriptors }) =>
        descriptors.map(({ fd, type, description }) => [pid, fd, type, description]),
      ),
    },
    {
      heading: 'Memory',
      columns: ['PID', 'KIND', 'MAPPED', 'SAVED', 'INHERITED', 'FILE'],
      rows: processes.flatMap(({ pid, mappings }) =>
        mappings.map(({ kind, mapped, saved, inherited, file }) => [
          pid,
          kind,
          mapped,
          saved,
          inherited,
          file,
        ]),
      ),
    },
    {
      heading: 'Sockets',
      columns: ['PROTOCOL', 'TYPE', 'STATE', 'ROUTE', 'UNREAD', 'UNSENT', 'HOLDERS'],
      rows: sockets.map((socket) => [
        socket.protocol,
        socket.type,
        socket.state,
        routeOf(socket),
        socket.unread,
        socket.unsent,
        holdersOf(socket),
      ]),
    },
    {
      heading: 'Mounts',
      columns: ['ID', 'PARENT', 'TYPE', 'MOUNT POINT', 'SOURCE', 'EXTERNAL'],
      rows: mounts.map(({ id, parentId, type, mountPoint, source, external }) => [
        id,
        parentId,
        type,
        mountPoint,
        source,
        external,
      ]),
    },
    {
      heading: 'Namespaces',
      columns: ['KIND', 'ID', 'OUTSIDE', 'PROCESSES', 'DETAIL'],
      rows: namespaces.map(({ kind, id, isOutside, pids, detail }) => [
        kind,
        id,
        isOutside ? 'yes' : 'no',
        pids.length,
        detail,
      ]),
    },
  ];
}

function inText({ heading, columns, rows }: Table): string {
  const cells = [columns, ...rows].map((row) =>
    row.map((cell) => (cell === undefined || cell === '' ? '-' : printable(String(cell)))),
  );
  const widths = columns.map((_, at) => largestOf(cells.map((row) => row[at]?.length ?? 0)));
  const lines = cells.map((row) =>
    row
      .map((cell, at) => cell.padEnd(Math.min(widths[at] ?? 0, 60)))
      .join('  ')
      .trimEnd(),
  );
  return `${heading}\n${lines.map((line) => `${line}\n`).join('')}`;
}
