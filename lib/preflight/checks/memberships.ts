import { type NetlinkSocket, readMemberships } from '../../linux/memberships.js';
import { type Holder, nameOf, type Scan } from '../scan.js';
import type { OwnSockets } from './descriptors.js';

/** Why CRIU does not save the groups of a netlink socket, as its file `sk-netlink.c` decides. */
export function judgeGroups({ port, groups }: NetlinkSocket): 'many' | 'no-port' | undefined {
  // The kernel tells them by long words, of which CRIU leaves the last half out where it is empty.
  const used = groups.at(-1) === 0 ? groups.length - 1 : groups.length;
  if (used > 1) return 'many';
  return groups.length > 0 && port === 0 ? 'no-port' : undefined;
}

const netlinkReasons = {
  many: 'is a netlink socket in a group with a number above 32, which CRIU does not support: leave it',
  'no-port':
    'is a netlink socket in a group without an address of its own, which CRIU does not support: bind it',
} as const;

/** Looks at the multicast memberships of the netlink and packet sockets of the tree. */
export async function checkMemberships(scan: Scan, ours: OwnSockets): Promise<void> {
  const seen = new Set<string>();
  for (const { pid, namespaces } of scan.tasks) {
    if (namespaces.net === undefined || seen.has(namespaces.net) || scan.budget.isSpent) continue;
    seen.add(namespaces.net);
    const found = await readMemberships(pid);
    for (const [inode, holder] of ours) {
      const socket = found?.netlink.get(inode);
      const reason = socket && judgeGroups(socket);
      if (reason) report(scan, inode, holder, netlinkReasons[reason]);
      if (found?.packet.get(inode)?.some((count) => count > 1)) {
        const what =
          'is a packet socket that has asked more than once for an address, which CRIU does not support: leave it once';
        report(scan, inode, holder, what);
      }
    }
  }
}

function report(scan: Scan, inode: string, holder: Holder, what: string): void {
  scan.report({
    code: 'socket-membership',
    severity: 'fails',
    ...holder,
    subject: `socket:[${inode}]`,
    message: `${nameOf(holder)} ${what}`,
  });
}
