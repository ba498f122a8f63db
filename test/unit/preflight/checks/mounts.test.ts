import { describe, expect, test } from 'vitest';
import { parseMountinfo } from '../../../../lib/linux/mountinfo.js';
import { type Allowed, allowedBy } from '../../../../lib/preflight/allowed.js';
import { mountProblems } from '../../../../lib/preflight/checks/mounts.js';

describe('mounts that CRIU refuses', () => {
  const host = parseMountinfo(
    ['1 0 8:1 / / rw - ext4 a rw', '2 1 0:9 / /src rw shared:5 - tmpfs t rw'].join('\n'),
  );
  async function problems(lines: string[], allowed: Partial<Allowed> = {}): Promise<string[]> {
    const root = '10 9 8:1 /rootfs / rw - ext4 a rw';
    const mounts = parseMountinfo([root, ...lines].join('\n'));
    const all = { ...(await allowedBy({})), ...allowed };
    const namespace = { inode: '7', pid: 1, mounts };
    return mountProblems([namespace], '7', host, all, { ownsCgroups: false }).map(
      ({ kind, mount }) => `${kind} ${mount.mountpoint}`,
    );
  }

  test('are those of no known file system and of no root', async () => {
    expect(
      await problems([
        '11 10 0:20 / /proc rw - proc proc rw',
        '12 10 8:1 /rootfs/inside /inside rw - ext4 a rw',
        '13 10 8:1 /elsewhere /bind rw - ext4 a rw',
        '14 10 0:30 / /ram rw - ramfs none rw',
        '15 10 0:31 / /fuse rw - fuse.x x rw',
        '16 10 0:9 / /slave rw master:5 - tmpfs t rw',
      ]),
    ).toEqual(['bind /bind', 'file-system /ram', 'fuse /fuse', 'master /slave']);
  });

  test('are none when they are external, enabled or left out', async () => {
    const lines = [
      '13 10 8:1 /elsewhere /bind rw - ext4 a rw',
      '14 10 0:30 / /ram rw - ramfs none rw',
      '16 10 0:9 / /slave rw master:5 - tmpfs t rw',
      '17 10 8:1 /elsewhere/below /same rw - ext4 a rw',
    ];
    const externalMounts = new Set(['/bind', '/slave']);
    const fileSystems = new Set(['ramfs']);
    expect(await problems(lines, { externalMounts, fileSystems })).toEqual([]);
    expect(await problems(lines, { externalMounts, skippedMounts: new Set(['/ram']) })).toEqual([]);
    const flags = new Set(['auto-ext-mnt'] as const);
    expect(await problems(lines, { flags, fileSystems })).toEqual(['master /slave']);
    const both = new Set(['auto-ext-mnt', 'enable-external-masters'] as const);
    expect(await problems(lines, { flags: both, fileSystems })).toEqual([]);
  });
});
