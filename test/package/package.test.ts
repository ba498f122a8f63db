import { existsSync } from 'node:fs';
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { examples } from '../helpers/markdown.js';
import { projectRoot } from '../helpers/paths.js';
import { Scope } from '../helpers/scope.js';
import { run, runOk } from '../helpers/system/exec.js';
import { Consumer } from './consumer.js';

/** What set-up built, where the system's criu is not good enough. */
const prefix = join(projectRoot, '.criu');

describe('the packed package', () => {
  const scope = new Scope();
  let consumer = '';
  let files: string[] = [];

  beforeAll(async () => {
    consumer = await scope.directory();
    const project = await Consumer.empty(consumer);
    const modules = project.module('');
    const packed = await runOk('npm', ['pack', '--silent', '--pack-destination', consumer], {
      cwd: projectRoot,
    });
    const tarball = join(consumer, packed.trim().split('\n').at(-1) ?? '');
    files = (await runOk('tar', ['tzf', tarball])).trim().split('\n');
    await runOk('tar', ['xzf', tarball, '-C', modules]);
    await runOk('mv', [join(modules, 'package'), join(modules, 'libcriu')]);
    await mkdir(project.module('@types'));
    await symlink(join(projectRoot, 'node_modules/@types/node'), project.module('@types/node'));
    await project.installPlatform(`@libcriu/linux-${process.arch}-gnu`);
    return () => scope.close();
  });

  test('has what it needs at run time and nothing of the tests', () => {
    for (const name of [
      'dist/index.js',
      'dist/index.d.ts',
      'dist/cli/main.js',
      'binding.gyp',
      'native/sources.json',
      'scripts/setup.mjs',
      'tools/set-up.mjs',
      'README.md',
      'man/libcriu.1',
      'man/libcriu-checkpoint.1',
      'LICENSE',
    ]) {
      expect(files).toContain(`package/${name}`);
    }
    // What is native is in packages of its own.
    const others = /^package\/(?:test|build|npm|\.criu|\.pack|node_modules|bench)\/|\.(?:node|so)$/;
    expect(files.filter((name) => others.test(name))).toEqual([]);
  });

  test('runs nothing when it is installed', async () => {
    const manifest = JSON.parse(
      await runOk('npm', ['pkg', 'get', 'scripts'], {
        cwd: join(consumer, 'node_modules/libcriu'),
      }),
    ) as Record<string, string>;
    const atInstallation = ['preinstall', 'install', 'postinstall', 'prepare', 'prepublish'];
    expect(Object.keys(manifest).filter((name) => atInstallation.includes(name))).toEqual([]);
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
