import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';

export const mebibyte = 1024 * 1024;
export const pageSize = 4096;

/** Bytes of memory in the images of one save. */
export function pagesBytes(imagePath: string): number {
  return pagesFiles(imagePath).reduce((sum, file) => sum + statSync(file).size, 0);
}

/** Bytes of memory that they take on disk. */
export function pagesOnDisk(imagePath: string): number {
  return pagesFiles(imagePath).reduce((sum, file) => sum + statSync(file).blocks * 512, 0);
}

function pagesFiles(imagePath: string): string[] {
  const names = readdirSync(imagePath).filter((name) => /^pages-\d+\.img$/.test(name));
  return names.map((name) => join(imagePath, name));
}
