import { describe, expect, test } from 'vitest';
import { localIn, localMounts } from '../../../lib/linux/local-mounts.js';
import { inspectOwnership } from '../../../lib/linux/ownership.js';

const lines = [
  '25 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw',
  '26 25 0:22 / /run rw,nosuid - tmpfs tmpfs rw,mode=755',
  '27 25 0:40 / /srv rw,relatime shared:9 master:2 - nfs4 server:/srv rw,addr=10.0.0.1',
  '28 27 0:41 / /srv/scratch rw - tmpfs tmpfs rw',
  '29 25 0:42 / /home/a\\040b rw - fuse.sshfs host:/ rw,user_id=1000',
  '30 25 0:43 / /net rw - autofs auto.net rw',
  '31 25 0:44 / /café rw - virtiofs share rw',
  '34 25 0:45 / /var/lib/box/merged rw - overlay overlay rw,lowerdir=/srv/image',
];
const isLocal = localIn(lines.join('\n'));

describe('a path is local', () => {
  test.each(['/', '/run', '/run/runc/web/state.json', '/srvs', '/srv2/x', '/home/a', '/nets'])(
    'where a disk or memory is: %s',
    (path) => expect(isLocal(path)).toBe(true),
  );

  test('in a container, whose root has layers', () => {
    const overlay = '25 1 0:46 / / rw - overlay overlay rw,lowerdir=/layers';
    expect(localIn([overlay, ...lines.slice(1)].join('\n'))('/run/runc')).toBe(true);
  });

  test('as this machine has it', () => {
    expect(localMounts()('/proc/self/status')).toBe(true);
  });
});

test('what is local is looked at before the event loop turns', async () => {
  let hasTurned = false;
  setImmediate(() => {
    hasTurned = true;
  });
  (await inspectOwnership('/proc/self/status')).close();
  expect(hasTurned).toBe(false);
});

describe('a path is not known to be local', () => {
  test.each([
    ['on a server', '/srv'],
    ['below that', '/srv/a/b'],
    ['in memory below a server', '/srv/scratch/x'],
    ['of a user, with a blank', '/home/a b/c'],
    ['where something is yet to be mounted', '/net/host'],
    ['in layers that may be on a server', '/var/lib/box/merged/etc'],
    ['with bytes that are no ASCII', '/caf\xc3\xa9/x'],
  ])('%s', (_where, path) => expect(isLocal(path)).toBe(false));

  test('below a server that hides a disk, or that a disk hides', () => {
    const disk = '32 25 254:1 / /mnt rw - xfs /dev/vdb rw';
    const server = '33 25 0:50 / /mnt rw - nfs server:/mnt rw';
    for (const both of [
      [disk, server],
      [server, disk],
    ]) {
      expect(localIn([...lines, ...both].join('\n'))('/mnt/x')).toBe(false);
    }
    expect(localIn([...lines, disk].join('\n'))('/mnt/x')).toBe(true);
  });

  test('where nothing is known, or of so many mounts that it takes time', () => {
    expect(localIn('')('/')).toBe(false);
    expect(localIn([...lines, '40 25 0:9 / /x\uFFFD rw - nfs s:/ rw'].join('\n'))('/')).toBe(false);
    const many = Array.from({ length: 2_000 }, (_, id) => `${id} 25 0:9 / /m${id} rw - tmpfs t rw`);
    expect(localIn([...lines, ...many].join('\n'))('/run')).toBe(false);
  });
});
