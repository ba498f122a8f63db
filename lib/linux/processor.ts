import { readFile } from '../base/files.js';

/** What the first processor can do, by the names that the kernel has for it; none where it tells none. */
export async function processorFeatures(procRoot = '/proc'): Promise<readonly string[]> {
  const text = await readFile(`${procRoot}/cpuinfo`, 'latin1').catch(() => '');
  const [, words = ''] = /^(?:flags|Features)\s*:(.*)$/m.exec(text) ?? [];
  return words.trim() === '' ? [] : words.trim().split(/\s+/);
}
