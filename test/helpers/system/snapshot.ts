import { createHash } from 'node:crypto';
import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';

/** Every entry below a directory with its type, mode and content: equal when nothing was touched. */
export function snapshotDirectory(root: string): Record<string, string> {
  const found: Record<string, string> = {};
  const visit = (relative: string): void => {
    const path = join(root, relative);
    const stat = lstatSync(path);
    const mode = (stat.mode & 0o7777).toString(8);
    if (stat.isDirectory()) {
      found[relative] = `directory ${mode}`;
      for (const name of readdirSync(path)) visit(join(relative, name));
    } else if (stat.isSymbolicLink()) {
      found[relative] = `link to ${readlinkSync(path)}`;
    } else if (stat.isFile()) {
      const hash = createHash('sha256').update(readFileSync(path)).digest('hex');
      found[relative] = `file ${mode} ${stat.size} ${hash}`;
    } else {
      found[relative] = `special ${mode} ${stat.rdev}`;
    }
  };
  visit('.');
  return found;
}
