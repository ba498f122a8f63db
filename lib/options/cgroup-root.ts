import { invalidArgValue } from '../base/errors.js';
import { checkRecord } from './record.js';
import { checkText } from './text.js';

/** A cgroup below which CRIU saves cgroups. */
export interface CgroupRoot {
  /** The controller of cgroup v1 that has this root; without it all controllers have it. */
  controller?: string | undefined;
  /** Path of the cgroup in its hierarchy, beginning with `/`. */
  path: string;
}

/** Checks an element of `cgRoots`, and gives a copy of it. */
export function checkCgroupRoot(name: string, value: unknown): CgroupRoot {
  const { controller, path } = checkRecord(
    name,
    value,
    ['controller', 'path'],
    'an object of controller (optional) and path',
  );
  const checked = checkText(`${name}.path`, 'the path of a cgroup', path);
  if (!checked.startsWith('/')) {
    throw invalidArgValue(`${name}.path`, 'the path of a cgroup', path, 'it begins with no /');
  }
  if (controller === undefined) return { path: checked };
  return {
    controller: checkText(`${name}.controller`, 'the name of a controller', controller),
    path: checked,
  };
}
