import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { errorCodes, findingCodes } from '../../../lib/index.js';

const readme = readFileSync(new URL('../../../README.md', import.meta.url), 'utf8');

test.each([...errorCodes, ...findingCodes])('the README has a row for %s', (code) => {
  // One row may tell of several that belong together.
  expect(readme).toMatch(new RegExp(`^\\|[^|]*\`${code}\`[^|]*\\|`, 'm'));
});
