import { readdir } from 'node:fs/promises';
import { errnoOf } from '../base/errors.js';
import type { Criu } from '../criu/criu.js';
import { readManifest } from '../images/manifest.js';
import { changesSince } from '../process/stale.js';

/** What there is in a directory for snapshots: none, one that can be restored, or one to be made anew. */
export type SnapshotState = 'missing' | 'fits' | 'stale';

/**
 * Looks whether a directory has a snapshot that can be restored here.
 *
 * @throws Error when it has something else.
 */
export async function stateOfSnapshot(directory: string, criu: Criu): Promise<SnapshotState> {
  const names = await readdir(directory).catch((error: unknown): string[] => {
    if (errnoOf(error) === 'ENOENT') return [];
    throw error;
  });
  if (names.length === 0) return 'missing';
  const manifest = await readManifest(directory);
  if (manifest === undefined) throw new Error(`${directory} holds something else than a snapshot`);
  if (!names.includes('inventory.img')) return 'stale';
  const changes = await changesSince(manifest, await criu.version());
  return changes.length === 0 ? 'fits' : 'stale';
}
