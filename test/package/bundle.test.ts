import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type BuildOptions, build } from 'esbuild';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { requireNeeds } from '../helpers/needs.js';
import { prefix, projectRoot } from '../helpers/paths.js';
import { useScope } from '../helpers/scope.js';
import { run, runOk } from '../helpers/system/exec.js';
import { Consumer } from './consumer.js';

const scope = useScope();
let consumer: Consumer;
beforeAll(() => requireNeeds('build', 'criu', 'libcriu'));
beforeEach(async () => {
  consumer = await Consumer.empty(await scope.directory());
});

const fitting = `@libcriu/linux-${process.arch}-gnu`;

const env: NodeJS.ProcessEnv = {
  ...process.env,
  LIBCRIU_ADDON: undefined,
  LIBCRIU_PREFIX: existsSync(prefix) ? prefix : undefined,
};

const program = `
  import { readFileSync } from 'node:fs';
  import { version } from 'libcriu';
  version().then(
    () => console.log(/\\S*criu_native\\.node/.exec(readFileSync('/proc/self/maps', 'utf8'))[0]),
    ({ code, message }) => console.log(code, message),
  );`;

/** Bundles the program, with no setting but the format, and runs it without the package. */
async function bundled(format: 'esm' | 'cjs', more: NodeJS.ProcessEnv = {}): Promise<string> {
  const outfile = join(consumer.directory, `out/app.${format === 'esm' ? 'mjs' : 'cjs'}`);
  const settings: BuildOptions = { bundle: true, platform: 'node', format, outfile };
  const stdin = { contents: program, resolveDir: consumer.directory };
  await build({
    ...settings,
    stdin,
    // Where the package is, which is not there when the bundle runs.
    alias: { libcriu: join(projectRoot, 'dist/index.js') },
    logLevel: 'error',
  });
  const { stdout, stderr } = await run(process.execPath, [outfile], { env: { ...env, ...more } });
  expect(stderr).toBe('');
  return stdout.trimEnd();
}

describe.each(['esm', 'cjs'] as const)('a bundle of esbuild in the format %s', (format) => {
  test('loads the addon of the package that is installed beside it', async () => {
    await consumer.installPlatform(fitting);
    expect(await bundled(format)).toBe(consumer.module(`${fitting}/criu_native.node`));
  });

  test('tells what to install where that is not there', async () => {
    expect(await bundled(format)).toBe(
      'ERR_CRIU_ADDON_NOT_FOUND The native addon was not found: libcriu has been bundled, and ' +
        `${fitting} is not installed where the bundle is. Install it there, or set LIBCRIU_ADDON to ` +
        'the path of the addon',
    );
  });

  test('trusts nothing for being near it', async () => {
    requireNeeds('root');
    await consumer.installPlatform('theirs');
    const LIBCRIU_ADDON = consumer.module('theirs/criu_native.node');
    expect(await bundled(format, { LIBCRIU_ADDON })).toBe(LIBCRIU_ADDON);
    await runOk('chown', ['-R', '1000', consumer.module('theirs')]);
    expect(await bundled(format, { LIBCRIU_ADDON })).toMatch(/^ERR_UNTRUSTED_PATH /);
  });

  test.each([
    ['another user owns', (directory: string) => runOk('chown', ['1000', directory])],
    ['everybody can write to', (directory: string) => runOk('chmod', ['1777', directory])],
    [
      'has a package.json of another user',
      (directory: string) => runOk('chown', ['1000', join(directory, 'package.json')]),
    ],
  ])('is not in a package for lying below a directory that %s', async (_what, hand) => {
    requireNeeds('root');
    // What lies there would be taken for the CRIU that the package has brought.
    await mkdir(join(consumer.directory, '.criu/lib'), { recursive: true });
    await mkdir(join(consumer.directory, '.criu/sbin'), { recursive: true });
    await writeFile(join(consumer.directory, '.criu/lib/libcriu.so.2'), 'no library');
    await writeFile(join(consumer.directory, '.criu/sbin/criu'), '#!/bin/false', { mode: 0o755 });
    await writeFile(join(consumer.directory, 'package.json'), '{ "name": "libcriu" }');
    const LIBCRIU_ADDON = join(projectRoot, 'build/Release/criu_native.node');
    const theirs = { LIBCRIU_ADDON, LIBCRIU_PREFIX: undefined };
    if (format === 'esm') expect(await bundled(format, theirs)).toContain('libcriu.so.2');
    await hand(consumer.directory);
    expect(await bundled(format, theirs)).not.toContain(consumer.directory);
  });
});
