import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { optionTable } from '../../../lib/options/table.js';

const integrationTests = join(import.meta.dirname, '..');

/** Every name that an optionTest of the integration tests' sources is given. */
function namesWithTest(): Set<string> {
  const names = new Set<string>();
  for (const file of readdirSync(integrationTests, { encoding: 'utf8', recursive: true })) {
    if (!file.endsWith('.test.ts')) continue;
    const source = readFileSync(join(integrationTests, file), 'utf8');
    for (const [, one, several] of source.matchAll(
      /^ *optionTest\(\s*(?:'(\w+)'|\[([^\]]+)\])/gm,
    )) {
      if (one !== undefined) names.add(one);
      for (const [, name] of (several ?? '').matchAll(/'(\w+)'/g)) names.add(name ?? '');
    }
  }
  return names;
}

test('every option of the table is shown to take effect by a test', () => {
  const tested = namesWithTest();
  const untested = optionTable.map(({ name }) => name).filter((name) => !tested.has(name));
  expect(untested).toEqual([]);
});
