import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { explain } from '../../../lib/explain.js';
import { requireNeeds } from '../../helpers/needs.js';
import { distCli } from '../../helpers/paths.js';
import { useScope } from '../../helpers/scope.js';
import { run, runOk } from '../../helpers/system/exec.js';
import { startWorkload } from '../../helpers/system/process.js';
import { startContainer, withoutChildren } from '../../helpers/workloads/container.js';
import { rootDirectory } from '../../helpers/workloads/root-directory.js';
import { startSituation } from '../../helpers/workloads/situation.js';

const scope = useScope();
beforeAll(() =>
  requireNeeds('root', 'criu', 'libcriu', 'gcc', 'runc', 'busybox', 'setpriv', 'build'),
);

describe('libcriu explain', () => {
  test('prints a line for each finding, with its flag', async () => {
    const path = join(await scope.directory(), 'ghost');
    const { pid } = await startWorkload(scope, ['ghost', path, 2 * 1024 * 1024]);
    const explainPid = [distCli, 'explain', '--pid', String(pid)];
    const stdout = await runOk(process.execPath, explainPid);
    expect(stdout).toMatch(
      /^needs-option: Descriptor 4 of .* pass --ghost-limit 2097152 or more\n$/,
    );
    expect(await runOk(process.execPath, [...explainPid, '--ghost-limit=4M'])).toBe('');
    const root = await rootDirectory(scope);
    const other = await startSituation(scope, ['outside', root, `${path}-outside`]);
    const flag = ['--external', (await explain(other.pid))[0]?.value as unknown as string].flat();
    const outside = [distCli, 'explain', '--pid', String(other.pid)];
    expect(await runOk(process.execPath, outside)).toContain(`pass ${flag[0]} '${flag[1]}' and`);
    expect(await runOk(process.execPath, [...outside, ...flag])).toBe('');
  });

  test('looks at a container, and refuses what it does not understand', async () => {
    const container = await startContainer(scope, { args: withoutChildren });
    const { stateRoot, id } = container;
    expect(await runOk(process.execPath, [distCli, '--root', stateRoot, 'explain', id])).toBe('');
    for (const [args, sentence] of [
      [[], /Expected exactly one argument, the container id, or --pid/],
      [['--pid', 'x'], /Expected the id of a process for --pid but received 'x'/],
      [['--pid', '1', 'web'], /Expected no argument beside --pid/],
      [['--format', 'xml', 'web'], /Expected 'text' or 'json' for --format/],
      [['no-such-container'], /container does not exist/],
      [['4194305'], /4194305.* in \S+, \S+ or .*; for a process, write --pid 4194305/],
    ] as const) {
      const { code, stderr } = await run(process.execPath, [distCli, 'explain', ...args]);
      expect(code).toBe(1);
      expect(stderr).toMatch(sentence);
    }
  });
});
