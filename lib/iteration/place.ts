import { checkDirectory, type OutputDirectory } from '../images/directory.js';
import { refuseChainIn } from '../images/engine-place.js';
import type { LockSettings } from '../locks/lock.js';

/** Opens the directory of all rounds. Nobody else writes below it until it is closed. */
export async function openBase(imagePath: string, lock: LockSettings): Promise<OutputDirectory> {
  await refuseChainIn(imagePath);
  const look = await checkDirectory('imagePath', imagePath, {
    existing: undefined,
    logs: [],
    lock,
  });
  return await look.open();
}
