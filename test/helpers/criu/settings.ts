import type { CheckpointOptions } from '../api.js';

/** Every setting that changes how images come about, and so what a restore has to cope with. */
export const settings: [what: string, options: CheckpointOptions][] = [
  ['the defaults', {}],
  ["profile 'fast'", { profile: 'fast' }],
  ["networkLock 'iptables'", { networkLock: 'iptables' }],
  ["networkLock 'nftables'", { networkLock: 'nftables' }],
  ["networkLock 'skip'", { networkLock: 'skip' }],
  ["manageCgroupsMode 'soft'", { manageCgroupsMode: 'soft' }],
  ["manageCgroupsMode 'full'", { manageCgroupsMode: 'full' }],
  ["manageCgroupsMode 'strict'", { manageCgroupsMode: 'strict' }],
  ["manageCgroupsMode 'ignore'", { manageCgroupsMode: 'ignore' }],
  ["freezer 'ptrace'", { freezer: 'ptrace' }],
  ['logLevel 2', { logLevel: 2 }],
  ["tar 'native'", { tar: 'native' }],
];
