import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { leftovers } from './leftovers.js';
import type { SuiteModule } from './suite-module.js';

/**
 * All suites of a machine, in the order of their files. The host loads them for the names, the guest to
 * run them.
 *
 * @param name - Which directory has them.
 */
export async function loadSuites(name: string): Promise<SuiteModule[]> {
  const directory = join(import.meta.dirname, name);
  const modules: SuiteModule[] = [];
  for (const file of readdirSync(directory).sort()) {
    modules.push((await import(join(directory, file))) as SuiteModule);
  }
  // systemd makes and removes mounts and cgroups of its own.
  return name === 'bare' ? [...modules, leftovers] : modules;
}
