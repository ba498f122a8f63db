import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { page } from '../../helpers/markdown.js';
import { projectRoot } from '../../helpers/paths.js';

/** The promises of a page, each with the test that its table says holds it. */
const claims = page('docs/security.md').tables.flatMap(({ columns, rows }) => {
  const held = columns.indexOf('Held by');
  return rows.map((cells) => {
    const [, file = '', title = ''] =
      /^`(test\/\S+\.test\.ts)`: "(.+)"$/.exec(cells[held] ?? '') ?? [];
    return { claim: cells[0] ?? '', file, title };
  });
});

test('the promises are found', () => {
  expect(claims.length).toBeGreaterThan(10);
});

test.each(claims)('a test holds "$claim"', ({ file, title }) => {
  expect(existsSync(join(projectRoot, file)), file).toBe(true);
  const source = readFileSync(join(projectRoot, file), 'utf8');
  expect(source.replaceAll("\\'", "'")).toContain(title);
});
