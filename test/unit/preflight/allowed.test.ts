import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { allowedBy } from '../../../lib/preflight/allowed.js';
import { useScope } from '../../helpers/scope.js';

const scope = useScope();

describe('allowedBy', () => {
  test('adds up what options, a runtime and its configuration file allow', async () => {
    const configFile = join(await scope.directory(), 'criu.conf');
    writeFileSync(
      configFile,
      [
        '# comment',
        'tcp-established',
        '  ghost-limit 3M   # more',
        'external "mnt[/a b]:a"',
        'enable-fs ramfs,hfs',
        'unknown-option 7',
      ].join('\n'),
    );
    const allowed = await allowedBy(
      { fileLocks: true, external: ['file[1b:2]', 'unix[3]:no', 'net[4]:key', 'mnt[]:m'] },
      {
        orphan_pts_master: true,
        ext_mnt: [['/data', '/data']],
        config_file: configFile,
      },
    );
    expect([...allowed.flags].sort()).toEqual([
      'auto-ext-mnt',
      'enable-external-masters',
      'file-locks',
      'orphan-pts-master',
      'tcp-established',
    ]);
    expect(allowed.ghostLimit).toBe(3 * 1024 * 1024);
    expect([...allowed.externalMounts].sort()).toEqual(['/a b', '/data']);
    expect([...allowed.fileSystems]).toEqual(['ramfs', 'hfs']);
    // A name behind it makes it another for CRIU, where none belongs.
    expect([...allowed.externals]).toEqual(['file[1b:2]', 'unix[3]:no', 'net[4]']);
  });
});
