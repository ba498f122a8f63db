import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { requireNeeds } from '../helpers/needs.js';
import { projectRoot } from '../helpers/paths.js';
import { useScope } from '../helpers/scope.js';
import { run, until } from '../helpers/system/exec.js';
import { listeners } from '../helpers/system/network.js';
import { isAlive } from '../helpers/system/process.js';

const scope = useScope();
beforeAll(() => requireNeeds('root', 'criu', 'libcriu', 'build'));

test.each([
  ['sigkill', null, 'SIGKILL'],
  ['exit', 3, null],
  ['terminate', 0, null],
])(
  '%s of a page server in the middle of a transfer leaves no criu and no listener',
  async (what, code, signal) => {
    const program = join(projectRoot, 'test/helpers/children/page-server.mjs');
    const imagePath = join(await scope.directory(), 'received');
    const outcome = await run(process.execPath, [program, imagePath, what]);
    expect(outcome).toMatchObject({ code, signal, stderr: '' });
    const { port, criu } = JSON.parse(outcome.stdout) as { port: number; criu: number };
    await until('criu is gone', () => !isAlive(criu));
    expect(listeners(port)).toEqual([]);
  },
);
