import { largestOf } from '../words.js';
import { html, type Markup } from './markup.js';

type Cell = number | string | undefined;

/** A table; nothing where it has no rows. */
export function tableOf(columns: readonly string[], rows: readonly (readonly Cell[])[]): Markup {
  if (rows.length === 0) return html``;
  const head = columns.map((column) => html`<th>${column}</th>`);
  const body = rows.map((row) => html`<tr>${row.map((cell) => html`<td>${cell}</td>`)}</tr>\n`);
  return html`<table><thead><tr>${head}</tr></thead><tbody>${body}</tbody></table>`;
}

/** Bars of which the longest is as wide as there is room. */
export function barsOf(
  rows: readonly (readonly [name: string, value: number, shown: string])[],
): Markup {
  const largest = largestOf(rows.map(([, value]) => value));
  const bars = rows.map(
    ([name, value, shown]) =>
      html`<div class="bar"><span>${name}</span><span class="track"><b style="width:${((value / largest) * 100).toFixed(2)}%"></b></span><em>${shown}</em></div>\n`,
  );
  return html`<div class="bars">${bars}</div>`;
}
