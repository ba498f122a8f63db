import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { leftovers } from './leftovers.js';
import type { SuiteModule } from './suite-module.js';

/**
 * All suites, in the order of their files. The host loads them for the names, the guest to run them.
 */
export async function loadSuites(): Promise<SuiteModule[]> {
  const directory = join(import.meta.dirname, 'bare');
  const modules: SuiteModule[] = [];
  for (const file of readdirSync(directory).sort()) {
    modules.push((await import(join(directory, file))) as SuiteModule);
  }
  return [...modules, leftovers];
}
