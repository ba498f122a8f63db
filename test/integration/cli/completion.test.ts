import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { commands } from '../../../lib/cli/commands.js';
import { requireNeeds } from '../../helpers/needs.js';
import { Scope } from '../../helpers/scope.js';
import { bash, type CompletingShell, fish, zsh } from '../../helpers/shells.js';
import { runOk } from '../../helpers/system/exec.js';
import { startContainer } from '../../helpers/workloads/container.js';

const scope = new Scope();
const id = `libcriu-completion-${process.pid}`;
let here = '';
beforeAll(async () => {
  requireNeeds('root', 'build', 'runc', 'busybox', 'bash', 'zsh', 'fish');
  here = await scope.directory();
  await mkdir(join(here, 'images'));
  await writeFile(join(here, 'image.tar'), '');
  const { bundle } = await startContainer(scope);
  await runOk('runc', ['create', '--bundle', bundle, id], { stdio: 'ignore' });
  scope.defer(() => runOk('runc', ['delete', '--force', id]));
});
afterAll(() => scope.close());

describe.each([
  ['bash', bash],
  ['zsh', zsh],
  ['fish', fish],
] as const)('%s', (_, start) => {
  let shell: CompletingShell;
  beforeAll(async () => {
    shell = await start(scope, here);
  });
  /** Without what a shell adds to the name of a directory, or puts before it; each once. */
  async function completed(line: string): Promise<string[]> {
    const words = await shell.complete(line);
    return [...new Set(words.map((word) => word.replace(/^--[a-z-]+=|\/$/g, '')))].sort();
  }

  test('completes all commands, and each by its beginning', async () => {
    const names = commands.map((command) => command.name);
    expect(await completed('libcriu ')).toEqual([...names, 'help'].sort());
    expect(await completed('libcriu ch')).toEqual(['checkpoint']);
    expect(await completed('libcriu --root /x --debug pre')).toEqual(['pre-dump']);
  });

  test.each<[string, string[]]>([
    ['libcriu --log-', ['--log-format']],
    ['libcriu checkpoint --leave-', ['--leave-running', '--leave-stopped']],
    ['libcriu --root checkpoint dump --uni', ['--unit']],
    ['libcriu page-server --addr', ['--address']],
    ['libcriu restore --max-', ['--max-bytes', '--max-entries', '--max-ratio']],
    ['libcriu list --quie', ['--quiet']],
  ])('completes the flags of %s', async (line, flags) => {
    expect(await completed(line)).toEqual(flags);
  });

  test.each<[string, string[]]>([
    ['libcriu --log-format ', ['json', 'text']],
    ['libcriu checkpoint --existing re', ['refuse', 'replace', 'reuse']],
    ['libcriu checkpoint --existing=rep', ['replace']],
    ['libcriu export --compression ', ['gzip', 'none', 'zstd']],
    ['libcriu completion ', ['bash', 'fish', 'zsh']],
    ['libcriu help enc', ['encode']],
  ])('completes the words of %s', async (line, words) => {
    expect(await completed(line)).toEqual(words);
  });

  test.each<[string, string[]]>([
    ['libcriu checkpoint --image-path im', ['images']],
    ['libcriu checkpoint --image-path=im', ['images']],
    ['libcriu restore im', ['images']],
    ['libcriu restore --from im', ['image.tar', 'images']],
    ['libcriu import image.', ['image.tar']],
    ['libcriu run --snapshot images image.', ['image.tar']],
  ])('completes the files or directories of %s', async (line, files) => {
    expect(await completed(line)).toEqual(files);
  });

  test.each(['checkpoint', 'explain', 'iterate', 'checkpoint --leave-running'])(
    'completes the containers of libcriu %s',
    async (words) => {
      expect(await completed(`libcriu ${words} ${id.slice(0, -1)}`)).toContain(id);
      expect(await completed(`libcriu ${words} no-such-container`)).toEqual([]);
    },
  );

  test('completes the processes of dump', async () => {
    expect(await completed('libcriu dump ')).toContain(String(process.pid));
    expect(await completed('libcriu memory --pid ')).toContain(String(process.pid));
  });

  // Of what nobody can know nothing is offered, also no file.
  test.each(['libcriu checkpoint --timeout-ms im', 'libcriu setup im', 'libcriu list im'])(
    'completes nothing of %s',
    async (line) => {
      expect(await completed(line)).toEqual([]);
    },
  );
});
