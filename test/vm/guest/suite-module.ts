import type { Scope } from '../../helpers/cleanup.js';
import type { ReportRow } from '../../helpers/engines/report.js';

/**
 * The tests of one file, by their names, in the order in which they run. One resolves to what is to be told
 * of its containers or services.
 */
export type Suite = Readonly<
  Record<string, (scope: Scope) => Promise<void> | Promise<ReportRow[]>>
>;

/** What each file of suites exports. */
export interface SuiteModule {
  title: string;
  suite: Suite;
}
