import { type FileState, isUnchangedNow, stateOf } from './file-state.js';
import { requireTrusted } from './trusted.js';

/** The paths that were found trusted, as what they led to then was. */
const known = new Map<string, FileState>();

/**
 * As {@link requireTrusted}, of the few files that many calls depend on: one that is as it was found is
 * not walked to again. On the way to it only root and this user can change anything.
 *
 * @throws CriuError `ERR_UNTRUSTED_PATH`
 */
export async function requireKnownTrusted(what: string, path: string): Promise<void> {
  const former = known.get(path);
  if (former !== undefined && isUnchangedNow(former)) return;
  known.delete(path);
  const state = path.startsWith('/') ? await stateOf(path) : undefined;
  await requireTrusted(what, path);
  if (state !== undefined) known.set(path, state);
}
