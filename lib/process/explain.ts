import { constants } from 'node:os';
import { CriuError } from '../base/errors.js';
import type { Finding } from '../base/finding.js';
import { sentence, toApi } from '../base/sentence.js';
import { defaultCriu } from '../criu/criu.js';
import type { UnitTarget } from '../options/unit-target.js';
import type { ValidatedOptions } from '../options/validated.js';
import { inspect } from '../preflight/inspect.js';
import { findService } from '../units/find.js';

/** What stands in the way of the dump of a process, or of the main process of a service. */
export async function explainProcess(
  target: number | UnitTarget,
  { criu = defaultCriu(), ...asked }: ValidatedOptions['dump'],
): Promise<Finding[]> {
  const isPid = typeof target === 'number';
  const pid = isPid ? target : (await findService(target.unit)).pid;
  const checked = isPid ? asked : { journal: true, ...asked };
  const found = await inspect({ criu, pid, preDump: false, options: checked });
  if (found) return found;
  const advice = toApi('; pass a string for a container');
  throw new CriuError('ERR_PROCESS_NOT_FOUND', sentence`There is no process ${pid}${advice}`, {
    errno: constants.errno.ESRCH,
  });
}
