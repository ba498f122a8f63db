import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { requireNeeds } from '../../helpers/needs.js';
import { distIndex, prefix } from '../../helpers/paths.js';
import { useScope } from '../../helpers/scope.js';
import { run } from '../../helpers/system/exec.js';

const scope = useScope();

/** Imports the package and uses it; says what came of either. */
const importThenUse = `
  const { version } = await import(${JSON.stringify(distIndex)});
  console.log('imported');
  await version().then(
    () => console.log('works'),
    ({ name, code, message }) => console.log(name, code, message),
  );`;

/** What bundlers make of import.meta.url for CommonJS. */
const asBundled = `
  import { register } from 'node:module';
  const hooks = \`export async function load(url, context, next) {
    const loaded = await next(url, context);
    if (!url.endsWith('.js')) return loaded;
    return { ...loaded, source: String(loaded.source).replaceAll('import.meta.url', '(void 0)') };
  }\`;
  register('data:text/javascript,' + encodeURIComponent(hooks));`;

interface Surroundings {
  name: string;
  /** Wraps the command line. */
  within?: readonly string[];
  before?: string;
  /** The text of the file that LIBCRIU_ADDON names. */
  addon?: string;
  says: RegExp;
}

describe('an import does not fail, and the first use tells the reason', () => {
  test.each<Surroundings>([
    {
      name: 'where LIBCRIU_ADDON names no file',
      addon: '',
      says: /^CriuError ERR_CRIU_ADDON_NOT_FOUND .*LIBCRIU_ADDON could not be loaded: .+$/,
    },
    {
      name: 'where the addon is no library',
      addon: 'neither ELF nor JavaScript',
      says: /^CriuError ERR_CRIU_ADDON_NOT_FOUND .*could not be loaded: .*(invalid ELF|too short).*$/,
    },
    {
      name: 'in a bundle, where modules have no place',
      before: asBundled,
      says: /^CriuError ERR_CRIU_ADDON_NOT_FOUND .*has been bundled.*set LIBCRIU_ADDON.*$/,
    },
    {
      name: 'without /proc',
      within: ['unshare', '--mount', 'sh', '-c', 'umount -l /proc; exec "$@"', 'sh'],
      says: /^(?:works|CriuError \w+ .+)$/,
    },
  ])('$name', async ({ within = [], before = '', addon, says }) => {
    requireNeeds('root', 'build', 'criu', 'libcriu');
    // What is tried here is the package's own addon, also where the tests are run with another.
    const env: NodeJS.ProcessEnv = {
      ...process.env,
      LIBCRIU_PREFIX: prefix,
      LIBCRIU_ADDON: undefined,
    };
    if (addon !== undefined) {
      env['LIBCRIU_ADDON'] = join(await scope.directory(), 'criu_native.node');
      if (addon !== '') await writeFile(env['LIBCRIU_ADDON'], addon);
    }
    const node = [process.execPath, '--input-type=module', '-e', before + importThenUse];
    const [file = '', ...args] = [...within, ...node];
    const { stdout, stderr } = await run(file, args, { env });
    expect(stderr).toBe('');
    const [first, second, ...rest] = stdout.trimEnd().split('\n');
    expect(first).toBe('imported');
    expect(second).toMatch(says);
    expect(rest).toEqual([]);
  });
});
