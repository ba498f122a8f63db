import { inBytes } from '../base/in-bytes.js';
import { printable } from '../base/printable.js';
import type { CheckpointDiff, KindDiff, PageDiff, ProcessDiff } from './diff-report.js';
import { commandOf, counted, routeOf } from './words.js';

/** A diff as lines for a terminal: `+` came, `-` went, `~` has changed. */
export function diffAsText(diff: CheckpointDiff): string {
  const { processes, sockets, memory } = diff;
  const lines = [
    `--- ${diff.before.path}${stamp(diff.before.checkpointed)}`,
    `+++ ${diff.after.path}${stamp(diff.after.checkpointed)}`,
    ...processes.went.map((process) => `- process ${process.pid} ${commandOf(process)}`),
    ...processes.came.map((process) => `+ process ${process.pid} ${commandOf(process)}`),
    ...processes.stayed.flatMap(processLines),
    ...sockets.went.map(
      (socket) => `- ${socket.protocol} ${routeOf(socket)} ${socket.state ?? ''}`,
    ),
    ...sockets.came.map(
      (socket) => `+ ${socket.protocol} ${routeOf(socket)} ${socket.state ?? ''}`,
    ),
    ...memory.shared
      .filter(hasChanged)
      .map(({ id, ...pages }) => `~ segment ${id}: ${pagesInWords(pages)}`),
    `Pages: ${pagesInWords(memory.pages)}, ${memory.pages.same} the same`,
  ];
  return lines.map((line) => `${printable(line).trimEnd()}\n`).join('');
}

function stamp(time: Date | undefined): string {
  return time === undefined ? '' : `  ${time.toISOString()}`;
}

function processLines(process: ProcessDiff): string[] {
  const { commandLine, threads, descriptors, kinds, pages } = process;
  const details = [
    ...(commandLine === undefined ? [] : [`~ arguments ${commandLine.after?.join(' ') ?? ''}`]),
    ...threads.went.map((id) => `- thread ${id}`),
    ...threads.came.map((id) => `+ thread ${id}`),
    ...descriptors.went.map(({ fd, description }) => `- descriptor ${fd} ${description}`),
    ...descriptors.came.map(({ fd, description }) => `+ descriptor ${fd} ${description}`),
    ...kinds.filter(isAnotherSize).map(kindInWords),
  ];
  if (details.length === 0 && !hasChanged(pages)) return [];
  const heading = `~ process ${process.pid} ${process.name}: ${pagesInWords(pages)}`;
  return [heading, ...details.map((line) => `    ${line}`)];
}

/** Memory that has only moved from a checkpoint to its parent is no other. */
function isAnotherSize({ before, after }: KindDiff): boolean {
  const isKept = before.saved + before.inherited === after.saved + after.inherited;
  return !isKept || before.mapped !== after.mapped;
}

function kindInWords({ kind, before, after }: KindDiff): string {
  const of = ({ saved, inherited }: KindDiff['before']): string => inBytes(saved + inherited);
  const mapped = `mapped ${inBytes(before.mapped)} -> ${inBytes(after.mapped)}`;
  return `~ ${kind} ${of(before)} -> ${of(after)}${before.mapped === after.mapped ? '' : `, ${mapped}`}`;
}

function hasChanged({ changed, came, went }: PageDiff): boolean {
  return changed + came + went > 0;
}

function pagesInWords({ changed, came, went }: PageDiff): string {
  return `${counted(changed, 'page')} changed, ${came} came, ${went} went`;
}
