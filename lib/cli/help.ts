import type { Flag } from './flags.js';

const width = 80;
const indent = '   ';

/** A heading and what stands below it. */
export interface HelpSection {
  heading: string;
  /** Each with its description beside it, or lines of text as they are. */
  entries: readonly (string | readonly [term: string, description: string])[];
}

export function renderHelp(sections: readonly HelpSection[]): string {
  return sections.map(renderSection).join('\n');
}

/** `--image-path PATH`, `--help, -h`. */
export function flagTerm({ name, short, placeholder }: Flag): string {
  const value = placeholder === undefined ? '' : ` ${placeholder}`;
  return `--${name}${short === undefined ? '' : `, -${short}`}${value}`;
}

export function flagEntries(flags: readonly Flag[]): (readonly [string, string])[] {
  return flags.map((flag) => [flagTerm(flag), flag.help]);
}

function renderSection({ heading, entries }: HelpSection): string {
  const terms = entries.flatMap((entry) => (typeof entry === 'string' ? [] : entry[0].length));
  const column = Math.min(Math.max(0, ...terms), 26) + 2;
  const lines = entries.flatMap((entry) => {
    if (typeof entry === 'string') return [`${indent}${entry}`];
    const [term, description] = entry;
    const rest = wrap(description, width - indent.length - column);
    const padding = ' '.repeat(column);
    // The description of a long term stands below it.
    if (term.length + 2 > column) {
      return [term, ...rest.map((line) => padding + line)].map((line) => indent + line);
    }
    return rest.map((line, index) => indent + (index === 0 ? term.padEnd(column) : padding) + line);
  });
  return `${heading}\n${lines.join('\n')}\n`;
}

function wrap(text: string, columns: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const last = lines.at(-1);
    if (last === undefined || last.length + 1 + word.length > columns) lines.push(word);
    else lines[lines.length - 1] = `${last} ${word}`;
  }
  return lines;
}
