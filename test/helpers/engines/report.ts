import { appendFileSync } from 'node:fs';
import type { Engine } from './engine.js';

/** How a container was saved and brought back. */
export type Way = 'left running' | 'in place' | 'archive' | 'OCI image';

/** One container's count before it was saved and after it has gone on, for `npm run test:engines`. */
export interface ReportRow {
  /** Its name and version. */
  engine: string;
  way: Way;
  before: number;
  after: number;
}

/** Tells the count of a container to whoever has asked for it by `LIBCRIU_ENGINES_REPORT`. */
export function reportRow(row: ReportRow): void {
  const file = process.env['LIBCRIU_ENGINES_REPORT'];
  if (file !== undefined) appendFileSync(file, `${JSON.stringify(row)}\n`);
}

/** The same of an engine that tells its version itself. */
export async function report(engine: Engine, row: Omit<ReportRow, 'engine'>): Promise<void> {
  reportRow({ engine: await engine.version(), ...row });
}
