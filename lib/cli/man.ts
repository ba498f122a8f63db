import { type Command, sectionsOf, usage } from './command.js';
import type { Flag } from './flags.js';

/** A manual page, in the macros of mdoc(7). */
export interface ManPage {
  /** The name of its file: `libcriu-checkpoint.1`. */
  file: string;
  /** Its text, for the day of its last change as `November 27, 2026`. */
  text: (date: string) => string;
}

/** The manual pages: one of the whole, and one of each command. */
export function manPages(
  commands: readonly Command[],
  globalFlags: readonly Flag[],
): readonly ManPage[] {
  return [overview(commands, globalFlags), ...commands.map(pageOf)];
}

function page(name: string, summary: string, lines: readonly string[]): ManPage {
  const head = [
    '.\\" Made by `npm run generate` from the tables of commands and options.',
    `.Dt ${name.toUpperCase()} 1`,
    '.Os',
    '.Sh NAME',
    `.Nm ${name}`,
    `.Nd ${escaped(summary)}`,
  ];
  const [comment = '', ...rest] = head;
  return {
    file: `${name}.1`,
    text: (date) => [comment, `.Dd ${date}`, ...rest, ...lines, ''].join('\n'),
  };
}

function overview(commands: readonly Command[], globalFlags: readonly Flag[]): ManPage {
  return page('libcriu', 'checkpoint and restore processes and containers', [
    '.Sh SYNOPSIS',
    '.Nm',
    '.Op Ar global options',
    '.Ar command',
    '.Op Ar options',
    '.Op Ar arguments',
    '.Sh DESCRIPTION',
    'Saves running processes and containers by CRIU, and brings them back.',
    'It has the flags of',
    '.Dq runc checkpoint ,',
    'in whose place it can be called.',
    '.Ss Global options',
    'These stand before the command.',
    ...flagList(globalFlags),
    '.Ss Commands',
    '.Bl -tag -width Ds',
    ...commands.flatMap(({ name, summary }) => [`.It Xr libcriu-${name} 1`, ...sentence(summary)]),
    '.It Cm help Op Ar command',
    'Show the help, or that of a command.',
    '.El',
    '.Sh EXIT STATUS',
    ...exitStatus,
    '.Sh SEE ALSO',
    '.Xr criu 8 ,',
    '.Xr runc 8',
  ]);
}

function pageOf(command: Command): ManPage {
  const { name, summary, description } = command;
  const lines = usage(command).map((line) => line.replace('libcriu [global options] ', ''));
  return page(`libcriu-${name}`, summary, [
    '.Sh SYNOPSIS',
    ...lines.flatMap(synopsis),
    '.Sh DESCRIPTION',
    ...paragraphs(description),
    ...sectionsOf(command).flatMap(({ heading, flags, note }) => [
      `.Ss ${escaped(heading.replace(/:$/, ''))}`,
      ...flagList(flags),
      ...(note === undefined ? [] : flow(note)),
    ]),
    '.Sh EXIT STATUS',
    ...exitStatus,
    '.Sh SEE ALSO',
    '.Xr libcriu 1',
  ]);
}

const exitStatus: readonly string[] = [
  'The exit status is 0 if it has succeeded, and 1 if not.',
  'Then one line on standard error says why.',
];

/** A way to call a command, as `checkpoint [options] <container-id>`. */
function synopsis(line: string): string[] {
  const [command = '', ...words] = line.split(' ');
  return [
    '.Nm libcriu',
    '.Op Ar global options',
    `.Cm ${command}`,
    ...words.map((word, index) => {
      if (word.startsWith('--')) return `.Fl ${escaped(word.slice(1))}`;
      const optional = /^\[(.*)\]$/.exec(word)?.[1];
      // The value of a flag stands in its line.
      const isValue = words[index - 1]?.startsWith('--') === true;
      if (optional !== undefined && !isValue) return `.Op Ar ${escaped(optional)}`;
      return `.Ar ${escaped(word.replace(/^<|>$/g, ''))}`;
    }),
  ];
}

function flagList(flags: readonly Flag[]): string[] {
  return [
    '.Bl -tag -width Ds',
    ...flags.flatMap(({ name, short, placeholder, help }) => {
      const letter = short === undefined ? '' : ` , Fl ${short}`;
      const value = placeholder === undefined ? '' : ` Ar ${escaped(placeholder)}`;
      return [`.It Fl ${escaped(`-${name}`)}${letter}${value}`, ...sentence(help)];
    }),
    '.El',
  ];
}

/** What stands in the help, line by line: paragraphs, and lines in columns, which stay lines. */
function paragraphs(description: readonly string[]): string[] {
  const lines: string[] = [];
  let paragraph: string[] = [];
  const end = (): void => {
    lines.push(...flow(paragraph.join(' ')));
    paragraph = [];
  };
  for (const line of description) {
    if (line !== '' && !line.includes('  ')) {
      paragraph.push(line);
      continue;
    }
    end();
    lines.push(line === '' ? '.Pp' : `.Dl ${escaped(line)}`);
  }
  end();
  // A list, as one in columns, stands in a paragraph anyhow.
  return lines.filter((line, index) => line !== '.Pp' || !lines[index + 1]?.startsWith('.Dl'));
}

function sentence(text: string): string[] {
  return flow(`${text.charAt(0).toUpperCase()}${text.slice(1)}.`);
}

/** A paragraph in short lines, of which each sentence begins one. */
function flow(text: string): string[] {
  const lines: string[] = [];
  for (const word of text.split(' ').filter((one) => one !== '')) {
    const last = lines.at(-1);
    if (last === undefined || /[.!?]\)?$/.test(last) || last.length + word.length >= width) {
      lines.push(word);
    } else {
      lines[lines.length - 1] = `${last} ${word}`;
    }
  }
  return lines.map(escaped);
}

/** Of a line, before it is escaped. */
const width = 68;

/** A text that is nothing but text: without escapes and macros, with the hyphens that are typed. */
function escaped(text: string): string {
  return text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replaceAll('()', '\\&()')
    .replace(/^(?=[.'])/, '\\&');
}
