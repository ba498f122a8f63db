import type { Scope } from '../../helpers/cleanup.js';

/** The tests of one file of `suites/`, by their names, in the order in which they run. */
export type Suite = Readonly<Record<string, (scope: Scope) => Promise<void>>>;

/** What each file of `suites/` exports. */
export interface SuiteModule {
  title: string;
  suite: Suite;
}
