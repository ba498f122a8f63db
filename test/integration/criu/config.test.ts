import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { parseConfig } from '../../../lib/criu/config-file.js';
import { configWords } from '../../../lib/criu/config-words.js';
import { isWrittenName } from '../../../lib/images/names.js';
import { requireNeeds } from '../../helpers/needs.js';
import { criuBinary } from '../../helpers/paths.js';
import { useScope } from '../../helpers/scope.js';
import { run } from '../../helpers/system/exec.js';

const scope = useScope();
beforeAll(() => requireNeeds('root', 'criu'));

/** Whether criu itself can read a line: it tells its version only if it can. */
async function isReadable(line: string): Promise<boolean> {
  const file = join(await scope.directory(), 'criu.conf');
  writeFileSync(file, `${line}\n`);
  const { stdout } = await run(criuBinary, ['--config', file, '--version']);
  return stdout.startsWith('Version:');
}

describe('the words of configuration files', () => {
  test('are in the criu program', () => {
    const program = readFileSync(criuBinary);
    const names = configWords.flatMap(({ name, hasNegation }) =>
      hasNegation ? [name, `no-${name}`] : [name],
    );
    expect(names.filter((name) => !program.includes(`${name}\0`))).toEqual([]);
  });

  test('name no log as CRIU names an image', () => {
    const program = readFileSync(criuBinary, 'latin1');
    const images = [...program.matchAll(/\0([a-z][\w%-]*\.img)(?=\0)/g)].map(
      ([, name = '']) => name,
    );
    expect(images.length).toBeGreaterThan(50);
    expect(images.filter((name) => !isWrittenName(name))).toEqual([]);
  });

  test.each([
    'tcp-established',
    'tcp-est',
    'tls-c',
    'tcp_established',
    'Lazy-pages',
    'lazy-p',
    'no-lazy-pages',
    'no-leave-running',
    'no-page-server',
    'page-server=1',
    'log-file=a',
    'log-file "a b" # c',
    'log-file "a',
    'log-file',
    'tcp-close\r',
    'tcp-close\t# c',
    '--tcp-close',
    'skip-mnt\t/proc',
    'external "a" b c',
    'verbosity 4',
    '# nothing',
    '\0nonsense',
  ])('are read as criu reads them: %j', async (line) => {
    const isGood = parseConfig(line).every(({ fault }) => fault === undefined);
    expect(isGood).toBe(await isReadable(line));
  });
});
