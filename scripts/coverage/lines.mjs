// @ts-check
/**
 * How often each line that can be run was run, by file from the root of the project and by line.
 *
 * @typedef {Map<string, Map<number, number>>} Lines
 */

/**
 * @param {Lines} lines
 * @param {string} file
 * @param {number} line
 * @param {number} count
 */
export function addLine(lines, file, line, count) {
  let counts = lines.get(file);
  if (counts === undefined) {
    counts = new Map();
    lines.set(file, counts);
  }
  counts.set(line, (counts.get(line) ?? 0) + count);
}

/**
 * @param {Lines} lines
 * @param {Lines} more
 */
export function addLines(lines, more) {
  for (const [file, counts] of more) {
    for (const [line, count] of counts) addLine(lines, file, line, count);
  }
}

/**
 * The text of a report: each file with lines that were not run, and which these are; then the sum.
 *
 * @param {string} title
 * @param {Lines} lines
 */
export function report(title, lines) {
  let total = 0;
  let covered = 0;
  const rows = [];
  for (const [file, counts] of [...lines].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const left = [...counts].filter(([, count]) => count === 0).map(([line]) => line);
    total += counts.size;
    covered += counts.size - left.length;
    if (left.length > 0) {
      const percent = percentage(counts.size - left.length, counts.size);
      rows.push(`${percent.padStart(7)}  ${file}: ${ranges(left, counts)}`);
    }
  }
  const percent = total === 0 ? 0 : (100 * covered) / total;
  const sum = `${title}: ${percentage(covered, total)} of ${total} lines (${total - covered} left)`;
  return { percent, text: `${[...rows, sum].join('\n')}\n` };
}

/**
 * @param {number} part
 * @param {number} whole
 */
function percentage(part, whole) {
  return `${((100 * part) / Math.max(whole, 1)).toFixed(1)} %`;
}

/**
 * Neighbours among the lines that can be run are told as one range.
 *
 * @param {readonly number[]} left
 * @param {ReadonlyMap<number, number>} counts
 */
function ranges(left, counts) {
  const runnable = [...counts.keys()].sort((a, b) => a - b);
  const places = left.map((line) => runnable.indexOf(line)).sort((a, b) => a - b);
  /** @type {[number, number][]} */
  const found = [];
  for (const place of places) {
    const last = found.at(-1);
    if (last !== undefined && last[1] === place - 1) {
      last[1] = place;
    } else {
      found.push([place, place]);
    }
  }
  return found
    .map(([from, to]) => (from === to ? runnable[from] : `${runnable[from]}-${runnable[to]}`))
    .join(', ');
}
