import type { Scope } from '../../helpers/cleanup.js';
import type { OutputReport, ReportRow } from '../../helpers/engines/report.js';

/**
 * The tests of one file, by their names, in the order in which they run. One resolves to what is to be told
 * of its containers or services, or to what it has measured.
 */
export type Suite = Readonly<
  Record<string, (scope: Scope) => Promise<void> | Promise<ReportRow[]> | Promise<OutputReport>>
>;

/** What each file of suites exports. */
export interface SuiteModule {
  title: string;
  suite: Suite;
}
