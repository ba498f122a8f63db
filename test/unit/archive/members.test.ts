import { expect, test } from 'vitest';
import { foreignMembers, members } from '../../../lib/archive/members.js';

/** What podman 5, CRI-O and containerd 2 look for. */
const known = {
  configDump: 'config.dump',
  specDump: 'spec.dump',
  networkStatus: 'network.status',
  statusDump: 'status.dump',
  checkpoint: 'checkpoint',
  statsDump: 'stats-dump',
  rootfsDiff: 'rootfs-diff.tar',
  deletedFiles: 'deleted.files',
  devShm: 'devshm-checkpoint.tar',
  volumes: 'volumes',
};

test('members have the names by which engines know them', () => {
  expect(members).toEqual(known);
  for (const name of [...Object.values(members), ...foreignMembers]) {
    expect(name).not.toMatch(/^\.?\//);
  }
});

test('no member has a name that begins with the name of a member that containerd leaves out first', () => {
  // It compares the beginnings of names, and would not see config.dump if there were a "c".
  const first = [members.configDump, members.specDump, members.statusDump];
  for (const one of first) {
    for (const other of [members.rootfsDiff, members.networkStatus, members.checkpoint]) {
      expect(one.startsWith(other)).toBe(false);
    }
  }
});
