import { inBytes } from '../../base/in-bytes.js';
import type { CheckpointReport, ProcessReport } from '../report.js';
import { branchesOf } from '../tree.js';
import { commandOf, counted, largestOf, memoryOfProcess } from '../words.js';
import { html, type Markup } from './markup.js';
import { tableOf } from './table.js';

/** No page is wide enough for more. */
const maxDepth = 24;

/** The processes, each below its parent, with what it has open and its memory behind a fold. */
export function processTree({ processes }: CheckpointReport): Markup {
  const largest = largestOf(processes.map((process) => memoryOfProcess(process).saved));
  const rows = branchesOf(processes).map(({ process, depth }) =>
    row(process, Math.min(depth, maxDepth), largest),
  );
  return html`<div class="tree">${rows}</div>`;
}

function row(process: ProcessReport, depth: number, largest: number): Markup {
  const { pid, state, uid, threads, descriptors } = process;
  const { saved } = memoryOfProcess(process);
  const about = [
    state === 'alive' ? '' : state,
    uid === undefined ? '' : `uid ${uid}`,
    threads.length > 1 ? counted(threads.length, 'thread') : '',
    counted(descriptors.length, 'descriptor'),
  ].filter(Boolean);
  return html`<details style="margin-left:${depth * 22}px"><summary><span class="pid">${pid}</span>
<code>${commandOf(process)}</code><span class="about">${about.join(', ')}</span>
<span class="size"><b style="width:${((saved / largest) * 100).toFixed(1)}%"></b><em>${inBytes(saved)}</em></span></summary>
${facts(process)}${descriptorTable(process)}${mappingTable(process)}</details>`;
}

function facts({
  name,
  executable,
  workingDirectory,
  root,
  processGroup,
  session,
}: ProcessReport): Markup {
  const entries = [
    ['name', name],
    ['program', executable],
    ['directory', workingDirectory],
    ['root', root],
    ['group', String(processGroup)],
    ['session', String(session)],
  ] as const;
  const shown = entries.filter(([, value]) => value !== undefined && value !== '');
  return html`<dl>${shown.map(([term, value]) => html`<dt>${term}</dt><dd><code>${value}</code></dd>`)}</dl>`;
}

function descriptorTable({ descriptors }: ProcessReport): Markup {
  return tableOf(
    ['fd', 'type', 'leads to'],
    descriptors.map(({ fd, type, description }) => [fd, type, description]),
  );
}

function mappingTable({ mappings }: ProcessReport): Markup {
  return tableOf(
    ['memory', 'saved', 'in a parent', 'mapped', 'file'],
    mappings.map(({ kind, saved, inherited, mapped, file }) => [
      kind,
      inBytes(saved),
      inherited === 0 ? '' : inBytes(inherited),
      inBytes(mapped),
      file,
    ]),
  );
}
