import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { allFlags } from '../../../lib/cli/command.js';
import { commands } from '../../../lib/cli/commands.js';
import { globalFlags } from '../../../lib/cli/global-flags.js';
import { flagTerm } from '../../../lib/cli/help.js';
import { manPages } from '../../../lib/cli/man.js';
import { renderPage } from '../../../scripts/generate/man.mjs';
import { requireNeeds } from '../../helpers/needs.js';
import { projectRoot } from '../../helpers/paths.js';
import { useScope } from '../../helpers/scope.js';
import { run, runOk } from '../../helpers/system/exec.js';

beforeAll(() => requireNeeds('mandoc'));
const scope = useScope();
const files = manPages(commands, globalFlags).map(({ file }) => file);

/** What the linter says of a page, in whatever degree, but for pages that are not installed here. */
async function complaints(path: string): Promise<string[]> {
  const { stdout } = await run('mandoc', ['-T', 'lint', '-W', 'style', path]);
  return stdout
    .split('\n')
    .filter((line) => line !== '' && !line.includes('referenced manual not found'));
}

/** What a reader sees. */
async function shown(path: string): Promise<string> {
  const text = await runOk('mandoc', ['-T', 'ascii', '-O', 'width=1000', path]);
  // On a printer, bold and underlined letters are made of two.
  return text.replaceAll(/.[\b]/g, '');
}

describe('the manual pages', () => {
  test('are those of package.json, and no other file lies beside them', () => {
    const { man } = JSON.parse(readFileSync(join(projectRoot, 'package.json'), 'utf8')) as {
      man: string[];
    };
    expect(man).toEqual(files.map((file) => `./man/${file}`));
    expect(readdirSync(join(projectRoot, 'man')).sort()).toEqual([...files].sort());
  });

  test.each(files)(
    '%s has no fault that a linter finds, and refers to pages that there are',
    async (file) => {
      const path = join(projectRoot, 'man', file);
      expect(await complaints(path)).toEqual([]);
      const others = [...readFileSync(path, 'utf8').matchAll(/^\.(?:It )?Xr (libcriu\S*) 1/gm)];
      expect(others.length).toBeGreaterThan(0);
      for (const [, other] of others) expect(files).toContain(`${other}.1`);
    },
  );

  test('would be found faulty, if they were', async () => {
    const path = join(await scope.directory(), 'faulty.1');
    const text = readFileSync(join(projectRoot, 'man/libcriu-list.1'), 'utf8');
    writeFileSync(path, text.replace('.El\n', ''));
    expect((await complaints(path)).join('\n')).toMatch(/ERROR: inserting missing end of block/);
  });

  test.each(commands)('tell of all flags of $name, with their help', async (command) => {
    const text = await shown(join(projectRoot, `man/libcriu-${command.name}.1`));
    // explain has those of checkpoint, and refers to that.
    const flags = allFlags(command).filter(
      ({ name }) => command.name !== 'explain' || name === 'json',
    );
    const words = (line: string): string => line.replace(/\s+/g, ' ').trim();
    for (const flag of flags) {
      const { help } = flag;
      expect(words(text)).toContain(flagTerm(flag));
      expect(words(text)).toContain(words(help.slice(1)));
    }
  });

  test('have the day of their last change', async () => {
    const path = join(projectRoot, 'man/libcriu-list.1');
    const current = readFileSync(path, 'utf8').replace(/^\.Dd .*$/m, '.Dd January 5, 2001');
    expect(await renderPage(path, current)).toBe(current);
    const changed = await renderPage(path, current.replace('.Nd list', '.Nd tell'));
    expect(changed).toMatch(/^\.Nd list/m);
    expect(changed).not.toContain('January 5, 2001');
  });
});
