import { existsSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { requireNeeds } from '../../helpers/needs.js';
import { distCli, projectRoot } from '../../helpers/paths.js';
import { useScope } from '../../helpers/scope.js';
import { run, runOk } from '../../helpers/system/exec.js';
import { isAlive, startWorkload } from '../../helpers/system/process.js';
import { type Container, startContainer } from '../../helpers/workloads/container.js';

const scope = useScope();
beforeAll(() =>
  requireNeeds('root', 'criu', 'libcriu', 'build', 'gcc', 'runc', 'busybox', 'script'),
);

/** What a command prints on a terminal that is as dumb as can be. */
async function onTerminal(...args: string[]): Promise<string> {
  const words = [process.execPath, distCli, ...args].map((word) => `'${word}'`);
  const printed = await runOk('script', ['-qec', words.join(' '), '/dev/null'], {
    env: { ...process.env, TERM: 'dumb' },
  });
  return printed.replaceAll('\r', '');
}

/** What a script gets to read. */
async function inScript(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await run(process.execPath, [distCli, ...args]);
  if (code !== 0) throw new Error(stderr);
  return stdout;
}

const inJson = async (...args: string[]): Promise<Record<string, unknown>> =>
  JSON.parse(await inScript(...args)) as Record<string, unknown>;

const place = async (name = 'images'): Promise<string> => join(await scope.directory(), name);

describe('a dump and its restore', () => {
  /** The images of a process that is gone. */
  async function dumped(): Promise<string> {
    const { pid, gone } = await startWorkload(scope, ['memory', 4]);
    const images = await place();
    expect(await inScript('dump', '--image-path', images, String(pid))).toBe('');
    await gone;
    return images;
  }
  const ends = (pid: number): void => scope.defer(() => process.kill(pid, 'SIGKILL'));

  test('are told in a line each on a terminal', async () => {
    const { pid, gone } = await startWorkload(scope, ['memory', 4]);
    const images = await place();
    const saved = await onTerminal('dump', '--image-path', images, String(pid));
    expect(saved).toMatch(
      new RegExp(
        `^process ${pid} is saved in ${images} \\(\\d\\.\\d MiB of memory, \\d+ ms, stood still for [\\d.]+ ms\\)\\n$`,
      ),
    );
    await gone;
    const restored = await onTerminal('restore', images);
    expect(restored).toMatch(
      new RegExp(
        `^${images} runs again as process ${pid} \\(\\d\\.\\d MiB of memory, \\d+ ms\\)\\n$`,
      ),
    );
    ends(pid);
    expect(isAlive(pid)).toBe(true);
  });

  test('print the pid alone for a script, and with --quiet', async () => {
    const images = await dumped();
    const pid = Number(await inScript('restore', images));
    expect(isAlive(pid)).toBe(true);
    process.kill(pid, 'SIGKILL');
    expect(await onTerminal('restore', '--quiet', images)).toBe(`${pid}\n`);
    ends(pid);
  });

  test('print their results with --json', async () => {
    const images = await dumped();
    const { pid, ...result } = await inJson('restore', '--json', images);
    ends(Number(pid));
    expect(result).toMatchObject({
      imagePath: images,
      logFile: join(images, 'restore.log'),
      stats: { pagesRestored: expect.any(Number) as number },
      timings: { criuMs: expect.any(Number) as number },
      warnings: [],
    });
  });
});

describe('an archive', () => {
  /** The images of a container that is gone. */
  async function saved(): Promise<[Container, string]> {
    const container = await startContainer(scope);
    const images = container.path('images');
    const root = ['--root', container.stateRoot];
    await inScript(...root, 'checkpoint', '--image-path', images, container.id);
    return [container, images];
  }

  test('is told of in a line on a terminal when it is made and unpacked', async () => {
    const [container, images] = await saved();
    const file = container.path('web.tar');
    const exported = await onTerminal('export', '--bundle', container.bundle, images, file);
    expect(exported).toMatch(/ is exported to \S+\/web\.tar \(\d+\.\d KiB, \d+ ms\)\n/);
    const imported = await onTerminal('import', file, container.path('unpacked'));
    expect(imported).toMatch(
      new RegExp(
        `^${container.id} is in \\S+/unpacked/checkpoint \\(\\d+\\.\\d KiB, \\d+ ms\\)\\n$`,
      ),
    );
  });

  test('is told of with --json, unless it goes to the same place', async () => {
    const [container, images] = await saved();
    const file = container.path('web.tar');
    const flags = ['--json', '--bundle', container.bundle, images];
    expect(await inJson('export', ...flags, file)).toEqual({
      archive: file,
      warnings: [expect.stringContaining('not in the archive') as string],
      durationMs: expect.any(Number) as number,
    });
    const refused = await run(process.execPath, [distCli, 'export', ...flags, '-']);
    expect(refused).toMatchObject({ code: 1, stdout: '' });
    expect(refused.stderr).toContain('Expected --json or an archive on standard output');
  });

  test('of a container that is restored of it tells its pid', async () => {
    const [container, images] = await saved();
    const file = container.path('web.tar');
    await inScript('export', '--bundle', container.bundle, images, file);
    const root = ['--root', container.stateRoot];
    const from = ['--from', file, '--bundle', container.bundle, container.id];
    // So that all that it loads is compiled anew, of which nobody is to hear.
    rmSync('/run/libcriu/code', { recursive: true, force: true });
    const command = [distCli, ...root, 'restore', '--json', ...from];
    const { stdout, stderr } = await run(process.execPath, command, {
      env: { ...process.env, NODE_V8_COVERAGE: '' },
    });
    expect(stderr).toBe('');
    const result: unknown = JSON.parse(stdout);
    expect(result).toMatchObject({ containerId: container.id, pid: container.pid, warnings: [] });
    await container.countsOn();
  });
});

test('libcriu run tells where the program is saved', async () => {
  const app = join(projectRoot, 'test/helpers/children/self.mjs');
  const [snapshot, other] = [await place(), await place()];
  const settings = JSON.stringify({ report: await place('report') });
  const line = await onTerminal('run', '--snapshot', snapshot, app, settings);
  expect(line).toMatch(
    new RegExp(` is saved in ${snapshot} \\([\\d.]+ MiB of memory, \\d+ ms\\)\\n$`),
  );
  const result = await inJson('run', '--json', '--snapshot', other, app, settings);
  expect(result).toMatchObject({
    imagePath: other,
    output: join(other, 'output.log'),
    stats: { pagesWritten: expect.any(Number) as number },
    durationMs: expect.any(Number) as number,
  });
});

test('what reads images tells of the files that it writes', async () => {
  const { pid } = await startWorkload(scope, ['memory', 4]);
  const images = await place();
  await inScript('dump', '--leave-running', '--image-path', images, String(pid));
  const [core, page, image] = [await place('core'), await place('page.html'), await place('image')];
  expect(await onTerminal('memory', '--pid', String(pid), '--dump', core, images)).toMatch(
    new RegExp(`^the memory of process ${pid} is written to ${core} \\(\\d+\\.\\d MiB\\)\\n$`),
  );
  expect(await onTerminal('inspect', '--html', page, images)).toMatch(
    / is written to \S+page\.html /,
  );
  expect(await onTerminal('inspect', '--quiet', '--html', page, images)).toBe('');
  const json = await place('json');
  await runOk('sh', [
    '-c',
    '"$@" >"$0"',
    json,
    process.execPath,
    distCli,
    'decode',
    `${images}/pstree.img`,
  ]);
  expect(await inJson('encode', '--json', json, image)).toEqual({
    image,
    bytes: statSync(image).size,
  });
  expect(existsSync(image)).toBe(true);
});

test('findings are the same by --json and --format json', async () => {
  const { pid } = await startWorkload(scope, ['idle']);
  const byJson = await inScript('explain', '--json', '--pid', String(pid));
  expect(JSON.parse(byJson)).toEqual(expect.any(Array));
  expect(await inScript('explain', '--format', 'json', '--pid', String(pid))).toBe(byJson);
});

test('list --quiet prints names alone', async () => {
  const { bundle } = await startContainer(scope);
  const id = `libcriu-list-${process.pid}`;
  await runOk('runc', ['create', '--bundle', bundle, id], { stdio: 'ignore' });
  scope.defer(() => runOk('runc', ['delete', '--force', id]));
  const names = (await inScript('list', '--quiet')).trimEnd().split('\n');
  expect(names).toContain(id);
  const objects = JSON.parse(await inScript('list', '--json')) as { name: string }[];
  expect(names).toEqual(objects.map(({ name }) => name));
});

test('nothing of it is coloured', async () => {
  const args = ['doctor', '--image-path', await place()];
  const words = [process.execPath, distCli, ...args].map((word) => `'${word}'`);
  const { stdout } = await run('script', ['-qec', words.join(' '), '/dev/null'], {
    env: { ...process.env, TERM: 'xterm-256color' },
  });
  expect(stdout).toMatch(/^ok /m);
  expect(stdout).not.toContain('\u001b');
});
