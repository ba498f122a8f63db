import { type Finding, makeFinding } from '../../base/finding.js';
import { option, sentence } from '../../base/sentence.js';
import type { Procfs } from '../../linux/procfs.js';
import { unitOf } from '../../linux/systemd.js';

/**
 * Finds that a process is the service of a unit of systemd, which does not learn that it is saved and
 * comes back. A unit that we are of as well goes on.
 */
export async function findUnit(proc: Procfs, pid: number): Promise<Finding | undefined> {
  const unit = unitOf((await proc.text(`${pid}/cgroup`)) ?? '');
  if (unit === undefined || unit === unitOf((await proc.text('self/cgroup')) ?? '')) {
    return undefined;
  }
  return makeFinding({
    code: 'systemd-unit',
    severity: 'notice',
    pid,
    subject: unit,
    message: sentence`Process ${pid} is of the unit ${unit} of systemd, which takes it for ended once it is
      saved, and may start another one. A restore puts it into the cgroup of that unit, where the next start
      ends it: restore it by a unit of its own, with ${option('manageCgroupsMode', 'ignore')}`,
  });
}
