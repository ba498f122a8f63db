import { basename } from 'node:path';
import { inBytes } from '../../base/in-bytes.js';
import type { CheckpointReport } from '../report.js';
import { counted, holdersOf, inMs, nounOf, routeOf, summaryOf, timesOf } from '../words.js';
import { html, type Markup } from './markup.js';
import { style } from './style.js';
import { barsOf, tableOf } from './table.js';
import { processTree } from './tree.js';
import { memoryMap } from './treemap.js';

/** It lets the page do nothing but show itself: no script runs, and nothing is loaded. */
const policy = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

/** A report as one page of HTML, which needs nothing else and has no script. */
export function asPage(report: CheckpointReport): string {
  const title = report.name ?? (basename(report.path) || report.path);
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>${title} – checkpoint</title>
<style>${style}</style>
</head>
<body>
<h1>${title}</h1>
<p class="lead">${leadOf(report)}, <code>${report.path}</code></p>
${cards(report)}
${section('Processes', report.processes.length, processTree(report))}
${section('Memory', report.processes.length, memoryMap(report))}
${section('Times', timesOf(report).length, times(report))}
${section('Parents', report.parents.length, parents(report))}
${section('Sockets', report.sockets.length, sockets(report))}
${section('Mounts', report.mounts.length, mounts(report))}
${section('Namespaces', report.namespaces.length, namespaces(report))}
${section('Checkpoint', 1, summary(report))}
</body>
</html>
`.text;
}

function leadOf({ kind, engine }: CheckpointReport): string {
  const what = kind === 'pre-dump' ? 'Pre-dump' : `Checkpoint of a ${kind}`;
  return engine === undefined ? what : `${what} of ${engine}`;
}

function section(heading: string, count: number, content: Markup): Markup {
  return count === 0 ? html`` : html`<section><h2>${heading}</h2>${content}</section>`;
}

function cards({ processes, memory, sockets, times, checkpointed }: CheckpointReport): Markup {
  const threads = processes.reduce((sum, process) => sum + process.threads.length, 0);
  const values: readonly (readonly [string, string | undefined])[] = [
    [
      `${nounOf(processes.length, 'process')}, ${counted(threads, 'thread')}`,
      String(processes.length),
    ],
    [`of memory saved, of ${inBytes(memory.mapped)}`, inBytes(memory.saved)],
    ['in parents', memory.inherited === 0 ? undefined : inBytes(memory.inherited)],
    [nounOf(sockets.length, 'socket'), String(sockets.length)],
    ['frozen', times === undefined ? undefined : inMs(times.frozenTimeUs)],
    ['checkpointed', checkpointed?.toISOString().slice(0, 19).replace('T', ' ')],
  ];
  const shown = values.filter(([, value]) => value !== undefined);
  return html`<div class="cards">${shown.map(([what, value]) => html`<div><b>${value}</b><span>${what}</span></div>`)}</div>`;
}

function times(report: CheckpointReport): Markup {
  return barsOf(timesOf(report).map(([name, time]) => [name, time, inMs(time)]));
}

function parents({ parents: list, memory }: CheckpointReport): Markup {
  const rows = list.map(({ path, saved }) => [path, saved, inBytes(saved)] as const);
  return barsOf([['this one', memory.saved, inBytes(memory.saved)], ...rows]);
}

function sockets({ sockets: list }: CheckpointReport): Markup {
  return tableOf(
    ['protocol', 'state', 'route', 'unread', 'unsent', 'held by (pid:fd)'],
    list.map((socket) => [
      socket.protocol,
      socket.state ?? socket.type,
      routeOf(socket),
      socket.unread === 0 ? '' : inBytes(socket.unread),
      socket.unsent === 0 ? '' : inBytes(socket.unsent),
      holdersOf(socket),
    ]),
  );
}

function mounts({ mounts: list }: CheckpointReport): Markup {
  return tableOf(
    ['mount point', 'type', 'source', 'root', 'from outside as'],
    list.map(({ mountPoint, type, source, root, external }) => [
      mountPoint,
      type,
      source,
      root,
      external,
    ]),
  );
}

function namespaces({ namespaces: list }: CheckpointReport): Markup {
  return tableOf(
    ['namespace', 'whose', 'processes', 'detail'],
    list.map(({ kind, id, isOutside, pids, detail }) => [
      kind,
      isOutside ? 'of the host' : `own, ${id}`,
      pids.length,
      detail,
    ]),
  );
}

function summary(report: CheckpointReport): Markup {
  return html`<dl>${summaryOf(report).map(([name, value]) => html`<dt>${name}</dt><dd>${value}</dd>`)}</dl>`;
}
