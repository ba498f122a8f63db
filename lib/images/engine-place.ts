import { invalidArgValue } from '../base/errors.js';
import { resolveDirectory } from './place.js';

/** An engine that restores images from a directory of its own, and where that is. */
interface Engine {
  readonly name: string;
  readonly place: RegExp;
  /** The engine takes the images of one directory alone, and leaves their parents behind. */
  readonly leavesParents: boolean;
}

const engines: readonly Engine[] = [
  { name: 'docker', place: /\/containers\/[0-9a-f]{64}\/checkpoints\/[^/]+$/, leavesParents: true },
  {
    name: 'podman',
    // Its parent is in pre-checkpoint, beside it.
    place: /\/[a-z]+-containers\/[0-9a-f]{64}\/userdata\/checkpoint$/,
    leavesParents: false,
  },
];

/** The engine's place that a directory is, or is in. */
async function engineAt(path: string): Promise<Engine | undefined> {
  const { real } = await resolveDirectory('imagePath', path);
  return engines.find(({ place }) => place.test(real));
}

/**
 * Refuses images that depend on others in a place from which an engine takes them alone.
 *
 * @throws RangeError `ERR_INVALID_ARG_VALUE`
 */
export async function refuseParentOf(imagePath: string, parentPath: string): Promise<void> {
  const engine = await engineAt(imagePath);
  if (!engine?.leavesParents) return;
  const reason = `${engine.name} takes the images of one directory, and could not restore them without their parent`;
  throw invalidArgValue(
    'parentPath',
    `nothing in a directory from which ${engine.name} restores`,
    parentPath,
    reason,
  );
}

/**
 * Refuses to make the directories of an iteration in a place from which an engine takes images.
 *
 * @throws RangeError `ERR_INVALID_ARG_VALUE`
 */
export async function refuseChainIn(imagePath: string): Promise<void> {
  const engine = await engineAt(imagePath);
  if (engine === undefined) return;
  const reason = `${engine.name} takes the images of one directory, and an iteration makes several: save the container by checkpoint`;
  throw invalidArgValue(
    'imagePath',
    `a directory from which ${engine.name} does not restore`,
    imagePath,
    reason,
  );
}
