import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { checkConfigFile } from '../../../lib/criu/config-file.js';
import { isWrittenName } from '../../../lib/images/names.js';
import { validateOptions } from '../../../lib/options/validate.js';
import { failureOf } from '../../helpers/rejection.js';
import { useScope } from '../../helpers/scope.js';

const scope = useScope();

const written = [
  ...['pstree.img', 'core-1.img', 'pages-1.img', 'inventory.img', 'tmpfs-1.tar.gz.img', '.img'],
  ...[
    'stats-dump',
    'stats-restore',
    'irmap-cache',
    'parent',
    'lazy-pages.socket',
    'tmp-core-1.img',
  ],
  ...['descriptors.json', 'libcriu.json', 'libcriu-container.json', 'libcriu-criu.json'],
];
const free = ['dump.log', 'img', 'core-1.img.log', 'stats', 'parents', 'libcriu.log', 'a.json'];
const calls = [
  ...(['dump', 'preDump', 'checkpoint', 'checkpointSelf', 'restore'] as const),
  ...(['startPageServer', 'startLazyPages'] as const),
];

describe('the name of a log', () => {
  test.each(written)('is none that is written otherwise: %s', async (logFile) => {
    expect(isWrittenName(logFile)).toBe(true);
    for (const call of calls) {
      const needed = call.startsWith('start') ? { address: '127.0.0.1', port: 1 } : {};
      expect(() => validateOptions(call, { ...needed, logFile } as never)).toThrow(
        /a name that neither CRIU nor libcriu gives to another file for logFile/,
      );
    }
    const file = join(await scope.directory(), 'criu.conf');
    writeFileSync(file, `log-file ${logFile}\n`);
    expect(await failureOf(checkConfigFile(file, 'after'))).toMatchObject({
      code: 'ERR_CRIU_CONFIG',
    });
  });

  test.each(free)('may be another one: %s', (logFile) => {
    expect(isWrittenName(logFile)).toBe(false);
    expect(validateOptions('dump', { logFile })).toMatchObject({ logFile });
  });
});
