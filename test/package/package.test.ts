import { existsSync, readFileSync } from 'node:fs';
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { examples } from '../helpers/markdown.js';
import { projectRoot } from '../helpers/paths.js';
import { Scope } from '../helpers/scope.js';
import { run, runOk } from '../helpers/system/exec.js';

/** What set-up built, where the system's criu is not good enough. */
const prefix = join(projectRoot, '.criu');

/** The dependencies that a consumer's npm would install beside the package. */
const { dependencies } = JSON.parse(readFileSync(join(projectRoot, 'package.json'), 'utf8')) as {
  dependencies: Record<string, string>;
};

describe('the packed package', () => {
  const scope = new Scope();
  let consumer = '';
  let files: string[] = [];

  beforeAll(async () => {
    consumer = await scope.directory();
    const modules = join(consumer, 'node_modules');
    await mkdir(join(modules, '@types'), { recursive: true });
    await mkdir(join(modules, '@bufbuild'), { recursive: true });
    const packed = await runOk('npm', ['pack', '--silent', '--pack-destination', consumer], {
      cwd: projectRoot,
    });
    const tarball = join(consumer, packed.trim().split('\n').at(-1) ?? '');
    files = (await runOk('tar', ['tzf', tarball])).trim().split('\n');
    await runOk('tar', ['xzf', tarball, '-C', modules]);
    await runOk('mv', [join(modules, 'package'), join(modules, 'libcriu')]);
    for (const name of [...Object.keys(dependencies), '@types/node', 'file-uri-to-path']) {
      await symlink(join(projectRoot, 'node_modules', name), join(modules, name));
    }
    await writeFile(join(consumer, 'package.json'), '{ "type": "module" }');
    return () => scope.close();
  });

  test('has what it needs at run time and nothing of the tests', () => {
    for (const name of [
      'dist/index.js',
      'dist/index.d.ts',
      'dist/cli/main.js',
      'build/Release/criu_native.node',
      'build/Release/criu_guard',
      'build/Release/criu_detach',
      'build/Release/criu_layer',
      'build/Release/criu_empty_conntrack.so',
      'build/Release/criu_no_io_uring.so',
      'build/Release/tar-first/tar',
      'binding.gyp',
      'native/sources.json',
      'scripts/setup.mjs',
      'tools/set-up.mjs',
      'README.md',
      'LICENSE',
    ]) {
      expect(files).toContain(`package/${name}`);
    }
    expect(
      files.filter((name) => /^package\/(test|\.criu|node_modules|bench)\//.test(name)),
    ).toEqual([]);
  });

  test('has all that its build script imports', async () => {
    const script = join(consumer, 'node_modules/libcriu/scripts/build.mjs');
    expect(await runOk(process.execPath, [script, '--help'])).toContain('Usage: npm run build');
  });

  test('is imported and required, as one and the same module', async () => {
    const program = `
      import { createRequire } from 'node:module';
      import { CriuError, version } from 'libcriu';
      const required = createRequire(import.meta.url)('libcriu');
      const { major } = await version();
      console.log(required.CriuError === CriuError, major >= 3);`;
    const { stdout, stderr } = await run(process.execPath, ['--input-type=module', '-e', program], {
      cwd: consumer,
      env: existsSync(prefix) ? { ...process.env, LIBCRIU_PREFIX: prefix } : process.env,
    });
    expect({ stdout, stderr }).toEqual({ stdout: 'true true\n', stderr: '' });
  });

  test('compiles the examples of the documentation', async () => {
    expect(examples.length).toBeGreaterThan(20);
    for (const [index, { text }] of examples.entries()) {
      await writeFile(join(consumer, `example-${index}.ts`), text);
    }
    const compilerOptions = {
      module: 'nodenext',
      target: 'es2022',
      strict: true,
      noEmit: true,
      types: ['node'],
    };
    await writeFile(
      join(consumer, 'tsconfig.json'),
      JSON.stringify({ compilerOptions, include: ['example-*.ts'] }),
    );
    await runOk(join(projectRoot, 'node_modules/.bin/tsc'), ['-p', consumer]);
  });
});
