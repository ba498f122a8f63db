import { describe, expect, test } from 'vitest';
import { parseMaps } from '../../../../lib/preflight/checks/mappings.js';

describe('parseMaps', () => {
  test('gives each file once, by the range of its first mapping', () => {
    const text = [
      '00400000-00452000 r-xp 00000000 08:02 173521      /usr/bin/a b (deleted)',
      '00651000-00652000 r--p 00051000 08:02 173521      /usr/bin/a b (deleted)',
      '7f0000000000-7f0000001000 rw-p 00000000 00:00 0 ',
      '7f0000002000-7f0000003000 rw-s 00000000 00:0e 5   anon_inode:[io_uring]',
      'ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0  [vsyscall]',
    ].join('\n');
    expect(parseMaps(text)).toEqual([
      { range: '400000-452000', path: '/usr/bin/a b (deleted)' },
      { range: '7f0000002000-7f0000003000', path: 'anon_inode:[io_uring]' },
      { range: 'ffffffffff600000-ffffffffff601000', path: '[vsyscall]' },
    ]);
  });
});
