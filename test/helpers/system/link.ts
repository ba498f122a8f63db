import { readlinkSync } from 'node:fs';

/** What a symbolic link says, undefined when there is none any more. */
export function linkTarget(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}
