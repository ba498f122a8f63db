import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { projectRoot } from './paths.js';

/** A table, as the text of its cells. */
export interface Table {
  /** The heading above it. */
  heading: string;
  columns: readonly string[];
  rows: readonly (readonly string[])[];
}

/** A fenced block. */
export interface Block {
  language: string;
  text: string;
  /** The number of its first line. */
  line: number;
}

/** A page of the documentation. */
export interface Page {
  /** Its path below the project's directory. */
  path: string;
  text: string;
  blocks: readonly Block[];
  /** The text without fenced blocks. */
  prose: string;
  headings: readonly string[];
  tables: readonly Table[];
}

function readPage(path: string): Page {
  const text = readFileSync(join(projectRoot, path), 'utf8');
  const blocks: Block[] = [];
  const prose = text.replace(
    /^```(\w*)\n(.*?)^```$/gms,
    (_, language: string, body: string, offset: number) => {
      blocks.push({ language, text: body, line: text.slice(0, offset).split('\n').length + 1 });
      return '';
    },
  );
  const headings = [...prose.matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) => heading);
  return { path, text, blocks, prose, headings, tables: [...tablesOf(prose)] };
}

function* tablesOf(prose: string): Generator<Table> {
  let heading = '';
  let lines: string[] = [];
  for (const line of [...prose.split('\n'), '']) {
    if (line.startsWith('|')) {
      lines.push(line);
      continue;
    }
    const [columns, , ...rows] = lines.map(cellsOf);
    if (columns !== undefined) yield { heading, columns, rows };
    lines = [];
    heading = /^#+ (.*)$/.exec(line)?.[1] ?? heading;
  }
}

function cellsOf(line: string): string[] {
  return line
    .split(/(?<!\\)\|/)
    .slice(1, -1)
    .map((cell) => cell.trim().replaceAll('\\|', '|'));
}

/** What stands in backticks. */
export function codeIn(text: string): string[] {
  return [...text.matchAll(/`([^`\n]+)`/g)].map(([, code = '']) => code);
}

/** The anchor that GitHub gives a heading. */
export function anchorOf(heading: string): string {
  return heading
    .toLowerCase()
    .replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
    .replace(/[^\p{L}\p{N}\s_-]/gu, '')
    .replaceAll(' ', '-');
}

function markdownIn(directory: string): string[] {
  return readdirSync(join(projectRoot, directory))
    .filter((name) => name.endsWith('.md'))
    .map((name) => join(directory, name));
}

/** All pages that users and developers read, but for the changelog. */
export const pages: readonly Page[] = [
  'README.md',
  'CONTRIBUTING.md',
  // The first page of the site has no text of its own.
  ...markdownIn('docs').filter((path) => path !== 'docs/index.md'),
  ...markdownIn('docs/guides'),
  ...markdownIn('docs/uses'),
  'bench/README.md',
  ...readdirSync(join(projectRoot, 'examples')).map((name) => `examples/${name}/README.md`),
].map(readPage);

/** The page of a path. */
export function page(path: string): Page {
  const found = pages.find((candidate) => candidate.path === path);
  if (found === undefined) throw new Error(`there is no page ${path}`);
  return found;
}

/** The blocks of a page that a reader runs. Those that no test runs are marked by another language. */
export function commandsOf(path: string): readonly Block[] {
  return page(path).blocks.filter(({ language }) => language === 'sh');
}

/** One of the tables below a heading of a page. */
export function table(path: string, heading: string, index = 0): Table {
  const found = page(path).tables.filter((candidate) => candidate.heading === heading)[index];
  if (found === undefined) throw new Error(`${path} has no table ${index} below ${heading}`);
  return found;
}

/** What stands in backticks in the first column of a table. */
export function namesIn({ rows }: Table): string[] {
  return rows.flatMap(([cell = '']) => codeIn(cell));
}

/** Every TypeScript example, with a name that says where it stands. */
export const examples: readonly { name: string; text: string }[] = pages.flatMap(
  ({ path, blocks }) =>
    blocks
      .filter(({ language }) => language === 'ts')
      .map(({ text, line }) => ({ name: `${path}:${line}`, text })),
);
