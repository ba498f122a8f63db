import { test } from 'vitest';

/**
 * A test that shows an option taking effect. options/coverage.test.ts reads the names out of the
 * sources and fails for a row of the options table that none of them names.
 */
export function optionTest(
  names: string | readonly string[],
  what: string,
  body: () => Promise<void>,
): void {
  test(`${[names].flat().join(', ')}: ${what}`, body);
}
