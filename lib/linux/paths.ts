import { access, stat } from 'node:fs/promises';

/** Whether a path leads to something. A path that cannot be looked at counts as leading nowhere. */
export async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

/** Whether a path leads to a regular file. */
export async function isFile(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isFile() ?? false;
}

/** Whether a path leads to a directory. */
export async function isDirectory(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isDirectory() ?? false;
}

/** Whether an absolute path is `base` or lies below it. Both have to be without links and dots. */
export function isBelow(path: string, base: string): boolean {
  return base === '/' || path === base || path.startsWith(`${base}/`);
}

/** A path as it is shown in a sentence, which stays one line whatever bytes the path has. */
export function shownPath(path: string): string {
  return JSON.stringify(path).slice(1, -1).replaceAll('\\"', '"');
}
