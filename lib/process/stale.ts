import { stat } from 'node:fs/promises';
import { release } from 'node:os';
import { CriuError } from '../base/errors.js';
import { option, sentence } from '../base/sentence.js';
import { type CriuVersion, isOlder, versionText } from '../criu/program.js';
import { hashOf } from '../images/file-hash.js';
import type { Manifest, MappedFile } from '../images/manifest.js';
import { processorFeatures } from '../linux/processor.js';

/** How many of the differences a message tells. */
const mostTold = 3;

/**
 * Makes sure that a snapshot fits what is here: what it relies on could otherwise make it crash when it
 * comes to use it.
 *
 * @param manifest - What the images rely on; undefined of those that tell nothing.
 * @param path - Where they are, as the caller calls it.
 * @throws CriuError `ERR_SNAPSHOT_STALE` that tells what has changed.
 */
export async function requireFresh(
  manifest: Manifest | undefined,
  path: string,
  version: CriuVersion,
): Promise<void> {
  const changes = manifest === undefined ? [] : await changesSince(manifest, version);
  if (changes.length === 0) return;
  const more = changes.length - mostTold;
  const list = [...changes.slice(0, mostTold), ...(more > 0 ? [`${more} more`] : [])].join('; ');
  throw new CriuError(
    'ERR_SNAPSHOT_STALE',
    sentence`The snapshot in ${path} does not fit any more: ${list}. Make it anew, or pass
      ${option('allowStale', true)}`,
  );
}

/** What of the things that a snapshot relies on is another one now, a clause for each. */
export async function changesSince(
  manifest: Manifest,
  version: CriuVersion,
): Promise<readonly string[]> {
  const changes: string[] = [];
  for (const file of manifest.files) {
    const change = await changeOf(file);
    const what =
      file.path === manifest.program ? `Node.js ${manifest.node} at ${file.path}` : file.path;
    if (change !== undefined) changes.push(`${what} ${change}`);
  }
  if (manifest.kernel !== release()) {
    changes.push(`it was made on Linux ${manifest.kernel}, and this is ${release()}`);
  }
  const lacking = await missingFeatures(manifest.processor);
  if (lacking.length > 0) changes.push(`this processor lacks ${lacking.join(', ')}`);
  const [major = 0, minor = 0] = manifest.criu.split('.').map(Number);
  if (isOlder(version, { major, minor })) {
    changes.push(`it was made by CRIU ${manifest.criu}, and this is ${versionText(version)}`);
  }
  return changes;
}

async function missingFeatures(needed: readonly string[]): Promise<readonly string[]> {
  const there = new Set(await processorFeatures());
  return needed.filter((feature) => !there.has(feature));
}

/** What has become of a file; undefined when it is the same. A copy of it is the same. */
async function changeOf({ path, size, changed, hash }: MappedFile): Promise<string | undefined> {
  const now = await stat(path, { bigint: true }).catch(() => undefined);
  if (now === undefined) return 'is not there';
  if (now.size === BigInt(size) && String(now.mtimeNs) === changed) return undefined;
  const isSame = now.size === BigInt(size) && (await hashOf(path).catch(() => '')) === hash;
  return isSame ? undefined : 'has changed';
}
