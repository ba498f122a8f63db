import type { Scope } from '../../helpers/cleanup.js';

/**
 * The tests of one file, by their names, in the order in which they run. One of an engine resolves to what
 * is to be told of it.
 */
export type Suite = Readonly<Record<string, (scope: Scope) => Promise<unknown>>>;

/** What each file of suites exports. */
export interface SuiteModule {
  title: string;
  suite: Suite;
}
