import { invalidArgType, invalidArgValue } from '../base/errors.js';
import { checkPid } from '../base/numbers.js';

/** A service of systemd, in the place of the id of a process. */
export interface UnitTarget {
  /** Its name, as `systemctl` takes it: `web.service`, or `web` for short. */
  unit: string;
}

/**
 * Checks a target: the id of a process, or a service of systemd.
 *
 * @returns the id, or the service's whole name.
 * @throws TypeError, RangeError
 */
export function checkTarget(
  target: unknown,
  name = 'pid',
  expected = 'the id of a process',
): number | UnitTarget {
  if (typeof target === 'object' && target !== null && 'unit' in target) {
    return { unit: checkServiceName(`${name}.unit`, target.unit) };
  }
  checkPid(target, name, expected);
  return target;
}

/** What a name ends in that is not short for a service. */
const suffix = /\.(?:service|socket|device|mount|automount|swap|target|path|timer|slice|scope)$/;
/** The longest name of a unit. */
const longest = 255;

/**
 * Checks the name of a service, and adds the suffix.
 *
 * @param option - What has it, for errors.
 * @throws TypeError, RangeError
 */
export function checkServiceName(option: string, name: unknown): string {
  const expected = 'the name of a service of systemd';
  if (typeof name !== 'string') throw invalidArgType(option, expected, name);
  const whole = suffix.test(name) ? name : `${name}.service`;
  if (!/^[A-Za-z0-9:_.\\@-]+\.service$/.test(whole) || /^[.@]/.test(whole)) {
    throw invalidArgValue(option, expected, name);
  }
  if (whole.length > longest) throw invalidArgValue(option, expected, name, 'it is too long');
  return whole;
}
