import { appendFileSync } from 'node:fs';
import type { Engine } from './engine.js';

/** How a container was saved and brought back. */
export type Way = 'by name' | 'left running' | 'killed' | 'in place' | 'archive' | 'OCI image';

/** One container's count before it was saved and after it has gone on, for `npm run test:engines`. */
export interface ReportRow {
  /** Its name and version. */
  engine: string;
  way: Way;
  before: number;
  after: number;
}

/** How many archives of a container that ran on were restored, and had its files in step with its memory. */
export interface StepsReport {
  engine: string;
  /** Who has made them. */
  by: string;
  rounds: number;
  restored: number;
  inStep: number;
}

/** What a program has printed. */
export interface OutputReport {
  title: string;
  text: string;
}

/** A line of the file with all that was told. */
export type ReportLine = { row: ReportRow } | { steps: StepsReport } | { output: OutputReport };

/** Tells it to whoever has asked for it by `LIBCRIU_ENGINES_REPORT`. */
export function reportLine(line: ReportLine): void {
  const file = process.env['LIBCRIU_ENGINES_REPORT'];
  if (file !== undefined) appendFileSync(file, `${JSON.stringify(line)}\n`);
}

/** Tells the count of a container. */
export function reportRow(row: ReportRow): void {
  reportLine({ row });
}

/** The same of an engine that tells its version itself. */
export async function report(engine: Engine, row: Omit<ReportRow, 'engine'>): Promise<void> {
  reportRow({ engine: await engine.version(), ...row });
}
