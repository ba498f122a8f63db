// @ts-check
import { chartSvg } from './chart.mjs';
import { limitNotes, tableOf, targetTable } from './text.mjs';

/** @param {string} text */
const escaped = (text) => text.replace(/[&<>"]/g, (character) => `&#${character.codePointAt(0)};`);

/**
 * @param {readonly (readonly string[])[]} rows
 * @param {boolean} hasHead
 */
function table(rows, hasHead) {
  const lines = rows.map((row, at) => {
    const cell = hasHead && at === 0 ? 'th' : 'td';
    const cells = row.map((text) => {
      const mark = text.startsWith('misses') ? ' class="misses"' : '';
      return `<${cell}${mark}>${escaped(text)}</${cell}>`;
    });
    return `<tr>${cells.join('')}</tr>`;
  });
  return `<table>\n${lines.join('\n')}\n</table>`;
}

const style = `
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 56rem; padding: 0 1rem; }
table { border-collapse: collapse; margin: 0.5rem 0 1.5rem; width: 100%; }
th, td { border-bottom: 1px solid #d0d4d9; padding: 0.2rem 0.6rem; text-align: right; }
th:first-child, td:first-child { text-align: left; }
.misses { color: #b3261e; font-weight: 600; }
svg { height: auto; max-width: 100%; }
`;

/**
 * One page without anything from elsewhere.
 *
 * @param {import('./run.mjs').Run} run
 */
export function htmlReport({ machine, command, date, groups }) {
  const targets = groups.flatMap(({ result }) => result.targets);
  const facts = Object.entries({ ...machine, Command: command, Date: date });
  const sections = groups.map(({ title, result }) => {
    const charts = result.charts.map(
      (chart) => `${chartSvg(chart)}\n${table(tableOf(chart), true)}`,
    );
    const missing = (result.missing ?? []).map((row) => `Not measured: ${row}`);
    const told = [...limitNotes(result.targets), ...(result.notes ?? []), ...missing];
    const notes = told.map((note) => `<p>${escaped(note)}</p>`);
    return [`<h2>${escaped(title)}</h2>`, ...charts, ...notes].join('\n');
  });
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>libcriu: benchmark</title>
<style>${style}</style>
<h1>libcriu: benchmark</h1>
${table(facts, false)}
<h2>Targets</h2>
${table(targetTable(targets), true)}
${sections.join('\n')}
</html>
`;
}
