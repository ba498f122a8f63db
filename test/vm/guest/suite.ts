import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Scope } from '../../helpers/cleanup.js';
import { leftovers } from './leftovers.js';

/** The tests of one file of `suites/`, by their names, in the order in which they run. */
export type Suite = Readonly<Record<string, (scope: Scope) => Promise<void>>>;

/** What each file of `suites/` exports. */
export interface SuiteModule {
  title: string;
  suite: Suite;
}

/**
 * All suites, in the order of their files. The host loads them for the names, the guest to run them.
 */
export async function loadSuites(): Promise<SuiteModule[]> {
  const directory = join(import.meta.dirname, 'suites');
  const modules: SuiteModule[] = [];
  for (const file of readdirSync(directory).sort()) {
    modules.push((await import(join(directory, file))) as SuiteModule);
  }
  return [...modules, leftovers];
}
