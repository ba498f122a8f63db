import { readFile } from '../base/files.js';
import { capabilitySet, hasCapability } from '../linux/capabilities.js';
import type { Host } from '../linux/host.js';
import { type Check, failed, passed, warned } from './check.js';

/** What CRIU needs, and what for. */
const needed = [
  { name: 'CAP_SYS_ADMIN', isVital: true, use: 'enter namespaces' },
  { name: 'CAP_SYS_PTRACE', isVital: true, use: 'stop processes of others' },
  { name: 'CAP_NET_ADMIN', isVital: true, use: 'lock the network' },
  { name: 'CAP_SYS_RESOURCE', isVital: false, use: 'have large pipes and restore limits' },
] as const;

/** Whether this process may do what a dump does. */
export async function checkRights(host: Host): Promise<readonly Check[]> {
  if (host.euid !== 0) {
    const message = `This process runs as user ${host.euid}, and only root can dump`;
    return [failed('root', message, 'Run it as root, as with sudo')];
  }
  const root = passed('root', 'This process runs as root');
  const status = await readFile(`${host.procRoot}/self/status`, 'latin1');
  const effective = capabilitySet(status, 'CapEff');
  const missing = needed.filter(({ name }) => !hasCapability(effective, name));
  if (missing.length === 0) return [root, passed('capabilities', 'It has the capabilities')];
  const names = missing.map(({ name, use }) => `${name} (to ${use})`).join(', ');
  const message = `This process lacks ${names}`;
  const cure = 'In a container, start it with --privileged or --cap-add';
  const isVital = missing.some((one) => one.isVital);
  return [root, (isVital ? failed : warned)('capabilities', message, cure)];
}
