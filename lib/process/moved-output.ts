import { existsSync } from 'node:fs';
import { realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { closeFd, openFd } from '../base/files.js';
import type { Scope } from '../base/scope.js';
import type { OutputDirectory } from '../images/directory.js';
import { type Manifest, outputName } from '../images/manifest.js';
import type { InheritedFd } from '../options/inherited-fd.js';

/**
 * What the output of a program goes to whose snapshot was moved, with the file of its output: CRIU looks
 * for that where it was.
 *
 * @param manifest - Tells where the images were made.
 * @param scope - Closes our descriptor at its end.
 */
export async function movedOutput(
  manifest: Manifest | undefined,
  images: Pick<OutputDirectory, 'file'>,
  scope: Scope,
): Promise<InheritedFd[]> {
  if (manifest === undefined || manifest.directory === (await realpath(images.file('')))) return [];
  const output = images.file(outputName);
  if (!existsSync(output)) return [];
  const fd = await openFd(output, 'a');
  scope.defer(() => closeFd(fd));
  return [{ fd, resource: join(manifest.directory, outputName).slice(1) }];
}
