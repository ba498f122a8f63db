import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { requireNeeds } from '../../helpers/needs.js';
import { projectRoot } from '../../helpers/paths.js';
import { run } from '../../helpers/system/exec.js';
import { allListeners, noNewListener } from '../../helpers/system/network.js';

beforeAll(() => requireNeeds('root', 'criu', 'libcriu', 'build', 'ip'));

test('examples/migrate moves its server in all ways that this kernel has', async () => {
  const heard = allListeners();
  const program = join(projectRoot, 'examples/migrate/migrate.mjs');
  const { code, stdout, stderr } = await run(process.execPath, [program, '--memory', '32']);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  for (const way of ['stop and copy', 'lazy']) {
    expect(stdout).toMatch(new RegExp(`'${way}' +│ +\\d+ +│ +\\d+ +│`));
  }
  expect(stdout).toMatch(/'pre-copy' +│ +(\d+|'this kernel does not track memory)/);
  await noNewListener(heard);
});
