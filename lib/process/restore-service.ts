import type { Deadline } from '../base/deadline.js';
import { checkSources } from '../images/outputs.js';
import { logOnly } from '../images/writing.js';
import { optionsOf } from '../options/calls.js';
import type { CgroupRoot } from '../options/cgroup-root.js';
import type { OptionRow } from '../options/schema.js';
import { checkServiceName } from '../options/unit-target.js';
import type { ValidatedOptions } from '../options/validated.js';
import { restartFrom } from '../units/restart.js';
import { lockOf } from './turn.js';

/** A restore that makes the tasks the main process of a service. */
interface ServiceRequest {
  /** Absolute. */
  imagePath: string;
  unit: string;
  options: ValidatedOptions['restore'];
  deadline: Deadline;
}

/**
 * Has systemd start a service from images.
 *
 * @returns the id of its main process.
 * @throws CriuError as `restartFrom` does, and `ERR_CRIU_IMAGES_DIR` without complete images.
 */
export async function restoreService(request: ServiceRequest): Promise<number> {
  const { imagePath, unit, options, deadline } = request;
  const name = checkServiceName('unit', unit);
  const lock = lockOf(request);
  const { workPath, logFile } = options;
  const sources = { imagePath, workPath, log: logOnly(logFile), lock };
  await checkSources(sources, (step, undo) => deadline.bound('directory', step, undo));
  // The process is to be where systemd starts it.
  const settings = { manageCgroupsMode: 'ignore', ...options };
  const args = [...argumentsOf(settings), imagePath];
  return await restartFrom({ name, args, lock, deadline });
}

/** What this call does itself. */
const own: readonly string[] = ['unit', 'pidFile'];

function argumentsOf(options: Readonly<Record<string, unknown>>): string[] {
  return optionsOf('restore')
    .filter(({ name }) => !own.includes(name))
    .flatMap((row) => argumentsFor(row, options[row.name]));
}

function argumentsFor({ flag }: OptionRow, value: unknown): string[] {
  if (flag === undefined || value === undefined) return [];
  if (typeof value === 'boolean') return [`--${flag}=${value}`];
  return [value].flat().map((one) => `--${flag}=${textOf(one as CgroupRoot | number | string)}`);
}

function textOf(value: CgroupRoot | number | string): string {
  if (typeof value !== 'object') return String(value);
  const { controller, path } = value;
  return controller === undefined ? path : `${controller}:${path}`;
}
