import { type Finding, makeFinding } from '../../base/finding.js';
import { option, sentence } from '../../base/sentence.js';
import { type Host, realHost } from '../../linux/host.js';
import type { Procfs } from '../../linux/procfs.js';
import { unitOf } from '../../linux/systemd.js';
import { readServiceSettings, restartAfterKill } from '../../linux/unit-files.js';

/**
 * Finds that a process is the service of a unit of systemd, which does not learn that it is saved and
 * comes back. A unit that we are of as well goes on.
 */
export async function findUnit(
  proc: Procfs,
  pid: number,
  host: Host = realHost,
): Promise<Finding | undefined> {
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
      saved, and ${afterwards(unit, host)}. Restore it with ${option('unit', unit)}, or by a unit of its own:
      otherwise it is in the cgroup of that unit, where the next start ends it`,
  });
}

/** What systemd does when a service was ended by its dump. */
function afterwards(unit: string, host: Host): string {
  const settings = readServiceSettings(unit, host);
  // Units of a user's own systemd have their files elsewhere.
  if (settings === undefined) return 'may start another one';
  const restart = restartAfterKill(settings);
  if (restart === undefined) return 'starts no other one';
  return (
    `starts another one, from its beginning, because of Restart=${restart} ` +
    '(RestartPreventExitStatus=SIGKILL keeps it from that)'
  );
}
