import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { requireNeeds } from '../../helpers/needs.js';
import { distCli } from '../../helpers/paths.js';
import { Scope, useScope } from '../../helpers/scope.js';
import { type Outcome, type RunOptions, run } from '../../helpers/system/exec.js';
import { snapshotDirectory } from '../../helpers/system/snapshot.js';
import { type Container, startContainer } from '../../helpers/workloads/container.js';

const scope = useScope();
const shared = new Scope();
let container: Container;

beforeAll(async () => {
  requireNeeds('root', 'criu', 'libcriu', 'build', 'runc', 'busybox', 'gcc', 'setpriv');
  container = await startContainer(shared, { args: ['/workload', '-', 'idle'] });
  await mkdir(container.path('cwd'));
  await writeFile(container.path('file'), 'precious');
  await symlink('nowhere', container.path('dangling'));
});
afterAll(() => shared.close());

async function libcriu(args: readonly string[], options: RunOptions = {}): Promise<Outcome> {
  return await run(process.execPath, [distCli, ...args], {
    cwd: container.path('cwd'),
    ...options,
  });
}

/** Exit status 1, one line on stderr that says these things, nothing written, the container runs. */
async function isRefused(
  args: readonly string[],
  says: readonly (string | RegExp)[],
  options: RunOptions = {},
): Promise<void> {
  const before = snapshotDirectory(container.directory);
  const { code, stdout, stderr } = await libcriu(args, options);
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
  expect(stderr.trimEnd()).not.toMatch(/\n/);
  for (const part of says) expect(stderr).toMatch(part);
  // A sentence, not a stack.
  expect(stderr).not.toMatch(/\.(js|ts):\d+/);
  expect(snapshotDirectory(container.directory)).toEqual(before);
  expect(container.isRunning).toBe(true);
}

/** `checkpoint` of the shared container with these flags. */
const command = (...flags: string[]): string[] => [
  '--root',
  container.stateRoot,
  'checkpoint',
  ...flags,
  container.id,
];

describe('the command refuses', () => {
  test('no container id', async () => {
    await isRefused(['--root', container.stateRoot, 'checkpoint'], [/container/i]);
  });

  test('two container ids', async () => {
    await isRefused([...command(), 'another'], [/argument/]);
  });

  test('an unknown flag, and suggests the nearest real one', async () => {
    await isRefused(command('--leave-runing'), ['--leave-runing', /--leave-running/]);
  });

  test('an unknown command', async () => {
    await isRefused(['chekpoint', container.id], ['chekpoint']);
  });

  test('a flag without its value', async () => {
    await isRefused(
      ['--root', container.stateRoot, 'checkpoint', container.id, '--image-path'],
      ['--image-path'],
    );
  });

  test('an unknown log format', async () => {
    await isRefused(['--log-format', 'xml', ...command()], ['--log-format', 'xml']);
  });
});

describe('the command refuses a container id', () => {
  test.each([
    ['with a slash', '../x'],
    ['..', '..'],
    ['with a newline', 'a\nb'],
    ['empty', ''],
    ['unknown', 'no-such-container'],
  ])('%s', async (_what, id) => {
    await isRefused(['--root', container.stateRoot, 'checkpoint', id], [/id|container/i]);
  });
});

describe('the command refuses values of flags', () => {
  test.each<[flags: string[], says: (string | RegExp)[]]>([
    [
      ['--page-server', '127.0.0.1'],
      ['--page-server', /127\.0\.0\.1/],
    ],
    [
      ['--page-server', '127.0.0.1:0'],
      ['--page-server', /:0/],
    ],
    [['--page-server=127.0.0.1:70000'], ['--page-server', /70000/]],
    [
      ['--page-server', '127.0.0.1:text'],
      ['--page-server', /text/],
    ],
    [
      ['--page-server', '::1:27000'],
      ['--page-server', /::1:27000/],
    ],
    [
      ['--manage-cgroups-mode', 'hard'],
      ['--manage-cgroups-mode', 'hard'],
    ],
    [
      ['--empty-ns', 'mount'],
      ['--empty-ns', 'mount'],
    ],
    [
      ['--lazy-pages', '--page-server', '127.0.0.1:27001', '--status-fd', '9999'],
      ['--status-fd', '9999'],
    ],
    [
      ['--lazy-pages', '--page-server', '127.0.0.1:27001', '--status-fd=-5'],
      ['--status-fd', '-5'],
    ],
    [
      ['--lazy-pages', '--page-server', '127.0.0.1:27001', '--status-fd', 'three'],
      ['--status-fd', 'three'],
    ],
    [
      ['--parent-path', '/tmp'],
      ['--parent-path', '/tmp'],
    ],
    [
      ['--parent-path', '../missing'],
      ['--parent-path', /\.\.\/missing/],
    ],
    [
      ['--image-path', 'a', '--parent-path', '../../file'],
      ['--parent-path', /file/],
    ],
    [
      ['--image-path', '../file'],
      ['--image-path', /file/],
    ],
    [
      ['--image-path', '../dangling'],
      ['--image-path', 'dangling'],
    ],
    [['--image-path', '/proc/libcriu'], ['/proc/libcriu']],
    [
      ['--work-path', '../file'],
      ['--work-path', /file/],
    ],
    [['--leave-running=maybe'], ['--leave-running', 'maybe']],
  ])('%s', async (flags, says) => {
    await isRefused(command(...flags), says);
  });

  test('a status fd that is open for reading only', async () => {
    const fd = openSync('/dev/null', 'r');
    scope.defer(() => closeSync(fd));
    await isRefused(
      command('--lazy-pages', '--page-server', '127.0.0.1:27001', '--status-fd', '3'),
      ['--status-fd', '3'],
      { stdio: ['ignore', 'pipe', 'pipe', fd] },
    );
  });
});

describe('the command refuses a container', () => {
  test('with a state.json that is cut short', async () => {
    const text = readFileSync(container.stateFile, 'utf8');
    scope.defer(() => writeFileSync(container.stateFile, text));
    writeFileSync(container.stateFile, text.slice(0, 100));
    const { code, stderr } = await libcriu(command());
    expect(code).toBe(1);
    expect(stderr).toMatch(/state\.json/);
  });

  test('in the created state', async () => {
    const other = await startContainer(scope, {
      start: 'create',
      args: ['/workload', '-', 'idle'],
    });
    const { code, stderr } = await libcriu(['--root', other.stateRoot, 'checkpoint', other.id]);
    expect(code).toBe(1);
    expect(stderr).toMatch(/created state/);
    expect(await other.status()).toBe('created');
  });
});

describe('the command fails', () => {
  test('for a user who is not root', async () => {
    const args = [
      '--reuid=65534',
      '--regid=65534',
      '--clear-groups',
      process.execPath,
      distCli,
      ...command(),
    ];
    const before = snapshotDirectory(container.directory);
    const { code, stdout, stderr } = await run('setpriv', args, { cwd: '/' });
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(/root/);
    expect(stderr.trimEnd()).not.toMatch(/\n/);
    expect(snapshotDirectory(container.directory)).toEqual(before);
  });

  test('without a criu in LIBCRIU_PREFIX', async () => {
    const empty = await scope.directory();
    await isRefused(command(), [/criu/, empty], { env: { ...process.env, LIBCRIU_PREFIX: empty } });
  });
});

describe('the command accepts', () => {
  test('a checkpoint without flags: it prints nothing and writes to ./checkpoint, as runc does', async () => {
    const other = await startContainer(scope);
    const { code, stdout, stderr } = await libcriu(
      ['--root', other.stateRoot, 'checkpoint', '--leave-running=true', other.id],
      {
        cwd: other.directory,
      },
    );
    expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: '', stderr: '' });
    expect(other.isRunning).toBe(true);
    await other.runcOk('delete', '--force', other.id);
    await other.restore(join(other.directory, 'checkpoint'));
    expect(await other.status()).toBe('running');
  });

  test('--debug, which prints the excerpt of the log after the sentence, and --log, which takes it to a file', async () => {
    const other = await startContainer(scope, { args: ['/workload', '/ready', 'lock', '/lock'] });
    const plain = await libcriu([
      '--root',
      other.stateRoot,
      'checkpoint',
      '--image-path',
      other.path('i1'),
      other.id,
    ]);
    expect(plain.code).toBe(1);
    expect(plain.stderr.trimEnd().split('\n')).toHaveLength(1);
    expect(plain.stderr).toMatch(/file.locks/);
    const debug = await libcriu([
      '--debug',
      '--root',
      other.stateRoot,
      'checkpoint',
      '--image-path',
      other.path('i2'),
      other.id,
    ]);
    expect(debug.code).toBe(1);
    expect(debug.stderr.trimEnd().split('\n').length).toBeGreaterThan(1);
    const log = other.path('log');
    const logged = await libcriu([
      '--log',
      log,
      '--log-format',
      'json',
      '--root',
      other.stateRoot,
      'checkpoint',
      '--image-path',
      other.path('i3'),
      other.id,
    ]);
    expect(logged.code).toBe(1);
    const entries = readFileSync(log, 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { msg: string; level: string });
    expect(entries).toContainEqual(
      expect.objectContaining({
        level: 'error',
        msg: expect.stringMatching(/file.locks/) as string,
      }),
    );
    expect(other.isRunning).toBe(true);
  });
});
