import { describe, expect, test } from 'vitest';
import { hiddenIn, isRemote, ownMounts, parseMountinfo } from '../../../lib/linux/mountinfo.js';

describe('mountinfo', () => {
  test('is read with its peer groups, escapes and subtypes', () => {
    const text = [
      '21 28 0:20 / /proc rw,relatime shared:12 - proc proc rw',
      '33 21 0:31 /a\\040b /x\\134y rw master:7 shared:8 - fuse.sshfs host:/\\040 rw',
      '40 28 8:1 /gone//deleted /z ro - ext4 /dev/sda1 ro,errors=continue',
      'rubbish',
    ].join('\n');
    expect(parseMountinfo(text)).toMatchObject([
      { id: 21, parent: 28, dev: '0:20', root: '/', mountpoint: '/proc', shared: 12, master: 0 },
      {
        root: '/a b',
        isDeleted: false,
        mountpoint: '/x\\y',
        shared: 8,
        master: 7,
        type: 'fuse',
        source: 'host:/ ',
      },
      { root: '/gone', isDeleted: true, mountpoint: '/z', type: 'ext4', source: '/dev/sda1' },
    ]);
  });

  test('tells that a mount is hidden by one on its point, beside it, and beside an ancestor', () => {
    const mounts = parseMountinfo(
      [
        '1 0 8:1 / / rw - ext4 a rw',
        '2 1 0:2 / /a rw - tmpfs b rw',
        '3 2 0:3 / /a rw - tmpfs c rw',
        '4 1 0:4 / /b/c rw - tmpfs d rw',
        '5 4 0:5 / /b/c/d rw - tmpfs e rw',
        '6 1 0:6 / /b rw - tmpfs f rw',
        '7 1 0:7 / /bc rw - tmpfs g rw',
      ].join('\n'),
    );
    expect(mounts.filter(hiddenIn(mounts)).map(({ id }) => id)).toEqual([2, 4, 5]);
  });

  test('with a circle of parents has an end', () => {
    const mounts = parseMountinfo(
      ['1 2 8:1 / /a rw - ext4 a', '2 1 8:2 / /b rw - ext4 b'].join('\n'),
    );
    expect(mounts.map(hiddenIn(mounts))).toEqual([false, false]);
  });

  test('has the options of the file system, and tells one that a server has to answer for', () => {
    const [cgroup, fuse, ...others] = parseMountinfo(
      [
        '41 21 0:36 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid - cgroup cgroup rw,cpu,cpuacct',
        '42 21 0:37 / /mnt rw shared:7 - fuse.sshfs me@host:/x rw,user_id=1000,group_id=5',
        'not a mount',
      ].join('\n'),
    );
    expect(others).toEqual([]);
    expect(cgroup?.options).toEqual(['rw', 'cpu', 'cpuacct']);
    expect(fuse?.options).toEqual(['rw', 'user_id=1000', 'group_id=5']);
    expect([cgroup, fuse].map((mount) => mount && isRemote(mount))).toEqual([false, true]);
  });

  test('of this process has the mount of /proc', () => {
    expect(ownMounts()).toContainEqual(
      expect.objectContaining({ mountpoint: '/proc', type: 'proc', root: '/' }),
    );
  });
});
