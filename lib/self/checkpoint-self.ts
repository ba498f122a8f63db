import { withDeadline } from '../base/deadline.js';
import { late } from '../base/late.js';
import { defaultCriu } from '../criu/criu.js';
import type { CheckpointSelfOptions } from '../options/types.js';
import { checkImagePath, validateOptions } from '../options/validate.js';
import type { SelfCheckpoint } from './result.js';
import { snapshotVariable } from './snapshot.js';

const saving = late(() => import('./save-self.js'));

/**
 * Saves the calling process and its children, all threads and what they have in memory included. It
 * ends by that, or goes on with `leaveRunning`; `restore()` of the images brings it back, as often
 * as its pid is free.
 *
 * @example
 * ```ts
 * const { restored } = await checkpointSelf({ imagePath: '/var/lib/warm', leaveRunning: true });
 * console.log(restored ? 'brought back' : 'saved');
 * ```
 *
 * @returns twice: `{ restored: false }` in the process that is saved, if it goes on, and
 * `{ restored: true }` in each that is brought back.
 * @throws TypeError, RangeError for a bad option, before anything is touched.
 * @throws CriuError `ERR_NOT_CHECKPOINTABLE` for what cannot be saved, others when CRIU fails; the
 * process goes on. And what a handler throws.
 */
export async function checkpointSelf(options: CheckpointSelfOptions = {}): Promise<SelfCheckpoint> {
  const { criu = defaultCriu(), ...given } = validateOptions('checkpointSelf', options);
  const imagePath = checkImagePath(
    given.imagePath ?? (process.env[snapshotVariable] || './checkpoint'),
  );
  return await withDeadline(operation, given, async (deadline) => {
    const { saveSelf } = await saving();
    return await saveSelf({ operation, criu, options: { ...given, imagePath }, deadline });
  });
}

const operation = 'checkpointSelf';
