import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { requireNeeds } from '../../helpers/needs.js';
import { distCli, distIndex, projectRoot } from '../../helpers/paths.js';
import { Scope } from '../../helpers/scope.js';
import { run, runOk } from '../../helpers/system/exec.js';

/** What a program has loaded when it has ended. */
interface Loaded {
  /** Files, from the root of the project on. */
  files: string[];
  /** Modules of Node.js. */
  builtins: string[];
}

const scope = new Scope();
beforeAll(() => requireNeeds('root', 'build'));
afterAll(() => scope.close());

/** Runs Node.js, and gives what it has loaded. */
async function loadedBy(args: readonly string[]): Promise<Loaded> {
  const directory = await scope.directory();
  const list = `process.on('exit', () => {
    require('node:fs').writeFileSync('${directory}/builtins', process.moduleLoadList.join('\\n'));
  });`;
  const preload = join(directory, 'list.cjs');
  writeFileSync(preload, list);
  const coverage = join(directory, 'coverage');
  await runOk(process.execPath, ['--require', preload, ...args], {
    // V8 tells of every script.
    env: { ...process.env, NODE_V8_COVERAGE: coverage },
  });
  const scripts = readdirSync(coverage).flatMap((name) => {
    const { result } = JSON.parse(readFileSync(join(coverage, name), 'utf8')) as {
      result: { url: string }[];
    };
    return result.map(({ url }) => url).filter((url) => /^file:(?!.*\[eval)/.test(url));
  });
  const builtins = readFileSync(join(directory, 'builtins'), 'utf8').split('\n');
  return {
    files: scripts
      .map((url) => relative(projectRoot, fileURLToPath(url)))
      .filter((file) => !file.startsWith('..')),
    builtins: builtins
      .filter((name) => name.startsWith('NativeModule '))
      .map((name) => name.slice('NativeModule '.length)),
  };
}

/** What is slow to load, and needed by few operations. */
const heavy = ['child_process', 'crypto', 'http', 'net', 'tls', 'worker_threads', 'zlib'];

async function importing(source: string): Promise<Loaded> {
  return await loadedBy(['--input-type=module', '--eval', source]);
}

describe('the start', () => {
  test('an import loads two files and no module that is slow to load', async () => {
    const { files, builtins } = await importing(`import '${distIndex}';`);
    expect(files).toHaveLength(2);
    expect(files).toContain('dist/index.js');
    expect(files).toContainEqual(expect.stringMatching(/^dist\/chunks\/core-/));
    const without = await importing('');
    const added = builtins.filter((name) => !without.builtins.includes(name));
    expect(heavy.filter((name) => added.includes(name))).toEqual([]);
  });

  test('an operation loads what it needs, and nothing of the dependencies', async () => {
    const source = `import { dump } from '${distIndex}'; await dump(1, { imagePath: '' }).catch(() => {});
      await dump(2 ** 22 + 1, { imagePath: '/nowhere/x' }).catch(() => {});`;
    const { files } = await importing(source);
    expect(files).toContainEqual(expect.stringMatching(/^dist\/chunks\/dump-/));
    const dependencies = /^node_modules\/(@bufbuild|fzstd|smol-toml|tar-stream)\//;
    expect(files.filter((file) => dependencies.test(file))).toEqual([]);
    expect(files.filter((file) => file.startsWith('dist/')).length).toBeLessThan(7);
  });

  test.each([['--version'], ['--help'], ['checkpoint', '--help']])(
    'libcriu %s %s loads no operation',
    async (...args) => {
      const { files } = await loadedBy([distCli, ...args]);
      expect(files.length).toBeLessThan(5);
      const expected = /^dist\/cli\/(main\.js|(program|command|rolldown-runtime)-.*\.cjs)$/;
      expect(files.filter((file) => !expected.test(file))).toEqual([]);
    },
  );
});

describe('what is kept of the compiled command', () => {
  const directory = '/run/libcriu/code';
  const list = async (): Promise<unknown> =>
    JSON.parse(await runOk(process.execPath, [distCli, 'list', '--json'], { env: uncovered() }));
  const files = (): string[] =>
    readdirSync(directory).filter((name) => name.startsWith('command-') && name.endsWith('-list'));
  const file = (): string => join(directory, files()[0] ?? '');

  beforeEach(() => rmSync(directory, { recursive: true, force: true }));
  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  test("is root's alone, and is used again", async () => {
    await list();
    expect(files()).toHaveLength(1);
    expect(statSync(directory).mode & 0o777).toBe(0o700);
    const { mode, ino, size } = statSync(file());
    expect(mode & 0o777).toBe(0o600);
    expect(size).toBeGreaterThan(10_000);
    await list();
    expect(statSync(file()).ino).toBe(ino);
  });

  test('is made anew when it is damaged', async () => {
    await list();
    const whole = statSync(file()).size;
    truncateSync(file(), 1000);
    await list();
    expect(statSync(file()).size).toBeGreaterThan(whole / 2);
  });

  test('is not kept where others can write', async () => {
    mkdirSync(directory, { recursive: true });
    chmodSync(directory, 0o777);
    await list();
    expect(files()).toEqual([]);
  });

  test('is neither read nor made by another user, or for a word that is no command', async () => {
    // It may be that this one cannot even read the command, which is below somebody's home then.
    await run('setpriv', ['--reuid=65534', '--clear-groups', process.execPath, distCli, 'list'], {
      env: uncovered(),
    });
    await runOk(process.execPath, [distCli, '--help'], { env: uncovered() });
    expect(existsSync(directory)).toBe(false);
  });
});

/** With coverage nothing is kept. Node.js hands it on to a child that has not got another value. */
function uncovered(): NodeJS.ProcessEnv {
  return { ...process.env, NODE_V8_COVERAGE: '' };
}
