import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import * as tables from '../../../lib/options/table.js';
import { generatedFiles } from '../../../scripts/generate/files.mjs';
import { projectRoot } from '../../helpers/paths.js';

const read = (path: string): string => readFileSync(join(projectRoot, path), 'utf8');

describe('what is generated is up to date (npm run generate)', () => {
  test.each(generatedFiles)('$path', async ({ path, make }) => {
    const current = read(path);
    expect(await make(tables, current)).toBe(current);
  });
});

test('every source that says that it is generated is among the generated files', () => {
  const claiming = readdirSync(join(projectRoot, 'lib'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => join('lib', name))
    .filter((path) => /^\/\/ (Made by|@generated)/m.test(read(path)));
  expect(claiming.length).toBeGreaterThan(1);
  expect(generatedFiles.map(({ path }) => path)).toEqual(expect.arrayContaining(claiming));
});
