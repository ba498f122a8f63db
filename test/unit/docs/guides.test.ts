import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { commandsOf, page, pages } from '../../helpers/markdown.js';
import { projectRoot } from '../../helpers/paths.js';

/** The tests that run the commands of guides. */
const sources = ['test/integration/engines', 'test/engines'].flatMap((directory) =>
  readdirSync(join(projectRoot, directory)).map((name) =>
    readFileSync(join(projectRoot, directory, name), 'utf8'),
  ),
);

const guides = pages.map(({ path }) => path).filter((path) => path.startsWith('docs/guides/'));

test('the guides are found', () => {
  expect(guides.length).toBeGreaterThan(1);
});

describe.each(guides)('%s', (path) => {
  const { text, blocks, headings } = page(path);

  test('has its commands run by a test', () => {
    const call = `follow(scope, '${path}',`;
    expect(sources.filter((source) => source.includes(call))).toHaveLength(1);
  });

  test('has no block of commands but those that are run, of which there are enough', () => {
    const languages = blocks.map(({ language }) => language);
    // "text" is what no test runs, such as a call of a cluster.
    const known = ['sh', 'ts', 'yaml', 'text'];
    expect(languages.filter((language) => !known.includes(language))).toEqual([]);
    const fences = text.match(/^ *```+ *sh\b/gm) ?? [];
    expect(commandsOf(path)).toHaveLength(fences.length);
    expect(fences.length).toBeGreaterThanOrEqual(4);
  });

  test('saves and restores, and says what to know', () => {
    const commands = commandsOf(path).map((block) => block.text);
    expect(commands.join('')).toMatch(/^libcriu checkpoint /m);
    expect(headings).toEqual(
      expect.arrayContaining(['What you need', 'In JavaScript', 'What to know']),
    );
    expect(blocks.filter(({ language }) => language === 'ts')).toHaveLength(1);
  });
});
