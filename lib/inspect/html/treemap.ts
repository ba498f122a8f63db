import { type HierarchyRectangularNode, hierarchy, treemap } from 'd3-hierarchy';
import { inBytes } from '../../base/in-bytes.js';
import type { CheckpointReport, MappingKind, MemorySizes } from '../report.js';
import { commandOf } from '../words.js';
import { colors } from './colors.js';
import { html, type Markup } from './markup.js';

/** A part of the memory: all of it, a process, or memory of one kind. */
interface Area {
  readonly label: string;
  readonly kind?: MappingKind;
  readonly bytes?: number;
  readonly children?: readonly Area[];
}

const width = 1000;
const height = 460;
const captionHeight = 18;
/** So many pixels a letter takes at most. */
const letterWidth = 6.6;
/** Of more than so many processes the smallest are one. */
const maxProcesses = 120;

/** The memory that was saved, as areas of processes and of kinds of memory in them. */
export function memoryMap(report: CheckpointReport): Markup {
  const areas = areasOf(report);
  if (areas.length === 0) return html`<p class="none">No memory is in the images.</p>`;
  const root = hierarchy<Area>({ label: '', children: areas }, ({ children }) => children)
    .sum(({ bytes = 0 }) => bytes)
    .sort((a, b) => (b.value ?? 0) - (a.value ?? 0));
  const placed = treemap<Area>()
    .size([width, height])
    .paddingTop((node) => (node.depth === 1 && isLarge(node) ? captionHeight : 1))
    .paddingInner(1)
    .round(true)(root);
  const frames = placed.children ?? [];
  return html`<svg class="map" viewBox="0 0 ${width} ${height}" role="img" aria-label="Memory by process and kind">${frames.map(frame)}</svg>
<p class="legend">${legend(report)}</p>`;
}

/** What of some memory is in images. */
const kept = ({ saved, inherited }: MemorySizes): number => saved + inherited;

function areasOf({ processes, memory }: CheckpointReport): Area[] {
  const areas: Area[] = processes.map((process) => ({
    label: `${process.pid} ${commandOf(process)}`,
    children: byKind(process.mappings),
  }));
  if (memory.shared.some((segment) => kept(segment) > 0)) {
    const children = memory.shared.map((segment) => ({
      label: `segment ${segment.id}`,
      kind: 'shared' as const,
      bytes: kept(segment),
    }));
    areas.push({ label: 'shared between processes', children });
  }
  const filled = areas
    .map((area) => ({ area, bytes: total(area) }))
    .filter(({ bytes }) => bytes > 0)
    .sort((a, b) => b.bytes - a.bytes);
  const rest = filled.slice(maxProcesses).flatMap(({ area }) => area.children ?? []);
  const shown = filled.slice(0, maxProcesses).map(({ area }) => area);
  return rest.length === 0
    ? shown
    : [...shown, { label: 'other processes', children: byKind(rest.map(asMapping)) }];
}

/** Memory of one kind of a process. */
type Part = MemorySizes & { readonly kind: MappingKind };

const asMapping = ({ kind = 'anonymous', bytes = 0 }: Area): Part => ({
  kind,
  mapped: bytes,
  saved: bytes,
  inherited: 0,
  elsewhere: 0,
});

function byKind(parts: readonly Part[]): Area[] {
  const sums = new Map<MappingKind, number>();
  for (const part of parts) sums.set(part.kind, (sums.get(part.kind) ?? 0) + kept(part));
  return [...sums]
    .filter(([, bytes]) => bytes > 0)
    .map(([kind, bytes]) => ({ label: kind, kind, bytes }));
}

function total({ children = [] }: Area): number {
  return children.reduce((sum, { bytes = 0 }) => sum + bytes, 0);
}

type Placed = HierarchyRectangularNode<Area>;

/** A part of the memory by its bytes. */
interface Weighed {
  readonly value?: number | undefined;
  readonly parent: { readonly value?: number | undefined } | null;
}

/** Whether a process's area has room for its caption. It is asked before the area has its place. */
function isLarge({ value = 0, parent }: Weighed): boolean {
  const share = value / (parent?.value ?? 1);
  return share * width * height > 6000;
}

/** The area of a process. */
function frame(node: Placed): Markup {
  const { label } = node.data;
  const size = inBytes(node.value ?? 0);
  const caption = isLarge(node)
    ? html`<text class="caption" x="${node.x0 + 3}" y="${node.y0 + 13}">${fitting(`${label}, ${size}`, node)}</text>`
    : undefined;
  return html`<g><title>${label}: ${size}</title><rect class="frame" ${box(node)}/>${caption}${(node.children ?? []).map(tile)}</g>`;
}

/** The area of a kind of memory in it. */
function tile(node: Placed): Markup {
  const { label, kind = 'anonymous' } = node.data;
  const size = inBytes(node.value ?? 0);
  const room = node.y1 - node.y0;
  const text = room < 14 ? '' : fitting(`${label} ${size}`, node);
  return html`<g><title>${node.parent?.data.label}: ${label}, ${size}</title><rect fill="${colors[kind]}" ${box(node)}/><text x="${node.x0 + 3}" y="${node.y0 + 12}">${text}</text></g>`;
}

function box({ x0, y0, x1, y1 }: Placed): Markup {
  return html`x="${x0}" y="${y0}" width="${x1 - x0}" height="${y1 - y0}"`;
}

/** As much of a text as an area has room for; nothing where that would be a few letters. */
function fitting(text: string, { x0, x1 }: Placed): string {
  const letters = Math.floor((x1 - x0 - 6) / letterWidth);
  if (text.length <= letters) return text;
  return letters < 6 ? '' : `${text.slice(0, letters - 1)}…`;
}

function legend({ memory }: CheckpointReport): Markup[] {
  const kinds = memory.kinds.filter((sizes) => kept(sizes) > 0).map(({ kind }) => kind);
  if (memory.shared.some((segment) => kept(segment) > 0) && !kinds.includes('shared'))
    kinds.push('shared');
  return kinds.map((kind) => html`<span><i style="background:${colors[kind]}"></i>${kind}</span> `);
}
