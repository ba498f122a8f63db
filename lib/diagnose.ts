import { inOperation, invalidArgType, unknownOption } from './base/errors.js';
import { late } from './base/late.js';
import { Criu } from './criu/criu.js';
import type { Diagnosis } from './doctor/check.js';
import { checkImagePath } from './options/validate.js';

/** Options of {@link diagnose}. */
export interface DiagnoseOptions {
  /**
   * CRIU to ask.
   *
   * @defaultValue the one that is found without settings; none of its processes is kept ready
   */
  criu?: Criu | undefined;
  /**
   * Where images are to go. It may be missing.
   *
   * @defaultValue './checkpoint'
   */
  imagePath?: string | undefined;
}

const examining = late(() => import('./doctor/examine.js'));

/**
 * Tells what this machine has and lacks for checkpoints: what this process may do, the native addon, criu and
 * libcriu, the kernel, cgroups, room for images, and the runtimes and engines with the criu of each. Nothing
 * is changed. Each question has 5 seconds; one that is not answered by then is a warning.
 *
 * What fails is no error: it is one of the checks, with its cure.
 *
 * @throws TypeError, RangeError for a bad option.
 *
 * @example
 * ```ts
 * const { ok, checks } = await diagnose();
 * for (const { status, message, cure } of checks) console.log(status, message, cure ?? '');
 * ```
 */
export async function diagnose(options: DiagnoseOptions = {}): Promise<Diagnosis> {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw invalidArgType('options', 'an object', options);
  }
  for (const name in options) {
    if (name !== 'criu' && name !== 'imagePath') throw unknownOption(name, 'an option of diagnose');
  }
  const { criu, imagePath = './checkpoint' } = options;
  if (criu !== undefined && !(criu instanceof Criu)) {
    throw invalidArgType('criu', 'an instance of Criu', criu);
  }
  const checkedPath = checkImagePath(imagePath);
  return await inOperation('diagnose', async () => {
    const { examine } = await examining();
    return await examine({ criu, imagePath: checkedPath });
  });
}
