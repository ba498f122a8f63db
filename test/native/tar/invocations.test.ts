import { copyFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { requireNeeds } from '../../helpers/needs.js';
import { useScope } from '../../helpers/scope.js';
import { run, runOk } from '../../helpers/system/exec.js';
import { mountTmpfs } from '../../helpers/system/mounts.js';
import {
  dump,
  dumpArguments,
  systemPath,
  tarFirst,
  treeSize,
  withOurs,
} from '../../helpers/tar.js';

const scope = useScope();
beforeAll(() => requireNeeds('root', 'build'));

/** GNU tar's gzip names its operating system; what we store names none. */
const byUs = (file: Buffer): boolean => file[9] === 0xff;

describe('invocations of tar that are not of CRIU', () => {
  const reference = async (): Promise<string> =>
    await runOk('tar', ['--version'], { env: { PATH: systemPath } });

  test('go to the next tar in PATH', async () => {
    const env = { PATH: `${dirname(tarFirst)}/none:${tarFirst}:${withOurs}` };
    expect(await runOk('tar', ['--version'], { env })).toBe(await reference());
    expect(await runOk(join(tarFirst, 'tar'), ['--version'], { env: { PATH: systemPath } })).toBe(
      await reference(),
    );
  });

  test('go past a copy of ours to the real one', async () => {
    const copy = await scope.directory();
    copyFileSync(join(tarFirst, 'tar'), join(copy, 'tar'));
    const env = { PATH: `${tarFirst}:${copy}:${tarFirst}` };
    const outcome = await run('tar', ['--version'], { env });
    expect(outcome).toMatchObject({ code: 2, stdout: '' });
    expect(outcome.stderr).toContain(
      'Cannot start the next tar in PATH: No such file or directory',
    );
    const complete = { PATH: `${tarFirst}:${copy}:${systemPath}` };
    expect(await runOk('tar', ['--version'], { env: complete })).toBe(await reference());
  });

  test.each([
    ['more options', { args: ['--xattrs', ...dumpArguments] }],
    [
      'another order',
      { args: [...dumpArguments.slice(1, 10), '--create', '/proc/self/fd/0', '.'] },
    ],
    ['TAR_OPTIONS', { env: { TAR_OPTIONS: '--format=posix' } }],
    ['TAPE', { env: { TAPE: '-' } }],
  ])('%s are left to GNU tar', async (_, settings) => {
    const tree = await mountTmpfs(scope, treeSize);
    writeFileSync(join(tree, 'file'), 'x');
    const [ours, theirs] = [
      await dump(scope, withOurs, tree, settings),
      await dump(scope, withOurs, tree),
    ];
    expect([byUs(ours.file), byUs(theirs.file)]).toEqual([false, true]);
  });
});
