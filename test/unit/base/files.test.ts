import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { expect, test } from 'vitest';
import { readFile } from '../../../lib/base/files.js';
import { projectRoot } from '../../helpers/paths.js';
import { sleep } from '../../helpers/system/exec.js';
import { linkTarget } from '../../helpers/system/link.js';

const lib = join(projectRoot, 'lib');
const sources = readdirSync(lib, { encoding: 'utf8', recursive: true }).filter((name) =>
  name.endsWith('.ts'),
);

test.each(sources.filter((name) => !name.startsWith('cli/')))(
  'lib/%s holds no file as an object, which a thread that is terminated leaves open',
  (name) => {
    const source = readFileSync(join(lib, name), 'utf8');
    const [, imported = ''] = /import \{([^}]*)\} from 'node:fs\/promises'/.exec(source) ?? [];
    const names = imported.split(',').map((one) => one.trim());
    expect(names.filter((one) => /^(readFile|writeFile|appendFile|open)$/.test(one))).toEqual([]);
  },
);

test('a thread that is terminated while it reads leaves nothing open', async () => {
  const file = process.execPath;
  const code = `
    const { promisify } = require('node:util');
    const readFile = promisify(require('node:fs').readFile);
    void (async () => { for (;;) await readFile(${JSON.stringify(file)}); })();`;
  for (let round = 0; round < 10; round++) {
    const worker = new Worker(code, { eval: true });
    await sleep(60 + round);
    await worker.terminate();
  }
  const open = readdirSync('/proc/self/fd').map((fd) => linkTarget(`/proc/self/fd/${fd}`));
  expect(open.filter((target) => target === file)).toEqual([]);
});

test('readFile reads as that of node:fs/promises does', async () => {
  const path = join(projectRoot, 'package.json');
  expect(await readFile(path, 'utf8')).toBe(readFileSync(path, 'utf8'));
  expect(await readFile(path)).toEqual(readFileSync(path));
  await expect(readFile('/nowhere')).rejects.toMatchObject({ code: 'ENOENT', path: '/nowhere' });
});
