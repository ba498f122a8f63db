import { passesControl } from '../../linux/control-messages.js';
import type { UnixSocket } from '../../linux/unix-sockets.js';
import { nameOf, type Scan } from '../scan.js';
import type { OwnSockets } from './descriptors.js';

/**
 * Looks at what nobody has read yet from the unix sockets of the tree. CRIU reads it as the process
 * would, and of control messages it saves descriptors alone (its file `sk-queue.c`).
 */
export function checkControlMessages(
  { report }: Scan,
  all: ReadonlyMap<string, UnixSocket>,
  ours: OwnSockets,
): void {
  for (const [inode, holder] of ours) {
    const socket = all.get(inode);
    // One that listens has connections in the place of data.
    if (!socket?.isUnread || socket.state === 'listening' || !passesControl(holder)) continue;
    report({
      code: 'socket-data',
      severity: 'fails',
      ...holder,
      subject: `socket:[${inode}]`,
      message: `${nameOf(holder)} is a unix socket with data that nobody has read, which comes with its sender or its time (SO_PASSCRED, SO_TIMESTAMP) and which CRIU does not save: have it read`,
    });
  }
}
