import type { OutputReport, ReportRow } from '../helpers/engines/report.js';

/** A line that the guest writes for each test that is over, as JSON. */
export interface TestReport {
  title: string;
  name: string;
  durationMs: number;
  /** What its containers or services have counted. */
  rows?: ReportRow[];
  /** What it has measured. */
  output?: OutputReport;
  /** Why it failed; absent when it passed. */
  failure?: Failure;
}

/** What a test threw. */
export interface Failure {
  message: string;
  stack: string;
}
