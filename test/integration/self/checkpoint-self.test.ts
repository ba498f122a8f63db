import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { nodeMajors, nodeProgram } from '../../../tools/node-releases.mjs';
import { checkpointSelf, dump } from '../../helpers/api.js';
import { restoreOk } from '../../helpers/criu/restored.js';
import { requireNeeds } from '../../helpers/needs.js';
import { optionTest } from '../../helpers/option-test.js';
import { distCli, projectRoot } from '../../helpers/paths.js';
import { useScope } from '../../helpers/scope.js';
import { run, runOk, until } from '../../helpers/system/exec.js';
import { linkTarget } from '../../helpers/system/link.js';
import { inSomeRound } from '../../helpers/system/patience.js';
import {
  allProcesses,
  isAlive,
  type ProcessState,
  startWorkload,
} from '../../helpers/system/process.js';

const scope = useScope();
beforeAll(() => requireNeeds('root', 'criu', 'libcriu', 'build', 'gcc', 'script'));
// What is downloaded for them takes as long as the network does.

const app = resolve(projectRoot, 'test/helpers/children/self.mjs');

interface Place {
  imagePath: string;
  report: string;
}

async function place(): Promise<Place> {
  const directory = await scope.directory();
  return { imagePath: join(directory, 'images'), report: join(directory, 'report') };
}

interface App {
  port: number;
  pid: number;
}

/** What the app has written before its checkpoint. */
function told({ report }: Place): App | undefined {
  const text = existsSync(report) ? readFileSync(report, 'utf8') : '';
  return text.endsWith('\n') ? (JSON.parse(text) as App) : undefined;
}

async function ask(port: number, path: string): Promise<string> {
  return (await fetch(`http://127.0.0.1:${port}${path}`)).text();
}

async function events(port: number): Promise<string[]> {
  return JSON.parse(await ask(port, '/events')) as string[];
}

/** What each checkpoint of an app has told it. */
async function results(port: number): Promise<object[]> {
  return JSON.parse(await ask(port, '/results')) as object[];
}

/** What every operation tells, of a checkpoint without a flaw. */
function resultIn({ imagePath }: Pick<Place, 'imagePath'>): object {
  const durationMs = expect.any(Number) as number;
  return { logFile: join(imagePath, 'dump.log'), warnings: [], durationMs };
}

/** The events of a restored app, once its handlers have been called: it answers before. */
async function eventsToTheEnd(port: number): Promise<string[]> {
  const last = 'restored true without stats';
  await until('the handlers are called', async () => (await events(port)).at(-1) === last);
  return events(port);
}

/** Starts the app by itself. */
function start(
  where: Place,
  options: object,
  words: readonly string[] = [],
  { program = process.execPath, detached = true } = {},
): { child: ChildProcess; gone: Promise<void> } {
  const given = JSON.stringify({ ...where, ...options });
  const child = spawn(program, [app, given, ...words], { detached, stdio: 'ignore', cwd: '/' });
  const gone = new Promise<void>((settle) => child.once('exit', () => settle()));
  scope.defer(async () => {
    // It is asked to end, as at an exit it tells what it has run (scripts/coverage.mjs).
    const port = told(where)?.port;
    if (port !== undefined) await ask(port, '/exit').catch(() => {});
    child.kill('SIGKILL');
    await gone;
  });
  return { child, gone };
}

/** What the app tells when it has had its answer and goes on. */
async function afterAnswer(where: Place): Promise<App & { events: string[] }> {
  await until('the app has its answer', () => existsSync(`${where.report}.answered`), 20_000);
  const { port, pid } = told(where) ?? { port: 0, pid: 0 };
  return { port, pid, events: await events(port) };
}

async function answered(...args: Parameters<typeof start>): ReturnType<typeof afterAnswer> {
  start(...args);
  return afterAnswer(args[0]);
}

/** The app, after it has been saved and has ended by that, through the command. */
async function snapshot(program: string = process.execPath): Promise<Place & App> {
  const where = await place();
  const options = JSON.stringify({ report: where.report });
  await runOk(program, [distCli, 'run', '--snapshot', where.imagePath, app, options], {
    cwd: '/',
  });
  const { port, pid } = told(where) ?? { port: 0, pid: 0 };
  expect(existsSync(join(where.imagePath, 'inventory.img'))).toBe(true);
  expect(isAlive(pid)).toBe(false);
  return { ...where, port, pid };
}

describe.each(nodeMajors)('a snapshot of Node.js %i', (major) => {
  test('goes on with its timers, files, crypto, zlib, worker thread and HTTP server', async () => {
    const { imagePath, port, pid } = await snapshot(nodeProgram(major));
    await expect(ask(port, '/cached')).rejects.toThrow();
    const { kill } = await restoreOk(scope, imagePath);
    expect(await ask(port, '/cached')).toBe('warm');
    const checked = JSON.parse(await ask(port, '/check')) as Record<string, unknown>;
    expect(checked).toEqual({
      ticks: expect.any(Number) as number,
      key: 'a8df899f3c4f204d967e0ad63c092987',
      text: 'some text',
      file: 'content',
      worker: 2,
    });
    expect(checked['ticks']).toBeGreaterThan(0);
    expect(await eventsToTheEnd(port)).toEqual([
      'before 1',
      'before 2',
      'goes on 2',
      'goes on 1 {"restored":true}',
      'after 2',
      'after 1',
      'restored true without stats',
    ]);
    expect(await results(port)).toEqual([resultIn({ imagePath })]);
    expect(isAlive(pid)).toBe(true);
    await kill();
  });
});

test('20 restores of one snapshot each answer their first request from the cache', async () => {
  const { imagePath, port } = await snapshot();
  const random: unknown[] = [];
  for (let round = 0; round < 20; round++) {
    const { kill } = await restoreOk(scope, imagePath);
    expect(await ask(port, '/cached')).toBe('warm');
    random.push(...(JSON.parse(await ask(port, '/random')) as unknown[]));
    await kill();
  }
  // They have begun with the same state, and must not go on with the same random numbers.
  expect(new Set(random).size).toBe(60);
});

optionTest('leaveRunning', 'the saved process goes on, too', async () => {
  const where = await place();
  const { port, pid, events: list } = await answered(where, { leaveRunning: true });
  expect(list).toEqual([
    'before 1',
    'before 2',
    'goes on 2',
    'goes on 1 {"restored":false}',
    'restored false with stats',
  ]);
  expect(await results(port)).toEqual([resultIn(where)]);
  expect(await ask(port, '/cached')).toBe('warm');
  const descendants = (): ProcessState[] => allProcesses().filter(({ parent }) => parent === pid);
  await until('nobody dead is left', () => descendants().every(({ state }) => state !== 'Z'));
  // What is kept ready for the next operation.
  for (const { name } of descendants()) expect(name).toMatch(/^criu/);
  process.kill(pid, 'SIGKILL');
  await until('it is gone', () => !isAlive(pid));
  await restoreOk(scope, where.imagePath);
  expect(await ask(port, '/cached')).toBe('warm');
  expect(await eventsToTheEnd(port)).toContain('goes on 1 {"restored":true}');
});

describe('checkpointSelf refuses, and the process goes on, for', () => {
  async function refused(...args: Parameters<typeof start>): Promise<string> {
    const { port, events: list } = await answered(...args);
    expect(list).toContain('goes on 1 {"restored":false}');
    expect(await ask(port, '/cached')).toBe('warm');
    expect(existsSync(join(args[0].imagePath, 'inventory.img'))).toBe(false);
    return list.at(-1) ?? '';
  }

  test('an io_uring, by its descriptor', async () => {
    const program = nodeProgram(22);
    const said = await refused(await place(), {}, [], { program });
    expect(said).toMatch(/ERR_NOT_CHECKPOINTABLE.*Descriptor \d+ of process \d+ is an io_uring/);
  });

  test('a process that leads no session', async () => {
    const said = await refused(await place(), {}, [], { detached: false });
    expect(said).toMatch(/ERR_NOT_CHECKPOINTABLE.*session/);
  });

  test('a terminal, by its descriptor', async () => {
    const where = await place();
    const options = JSON.stringify({ ...where });
    const command = `exec ${process.execPath} ${app} '${options}'`;
    const script = spawn('script', ['-qec', command, '/dev/null'], { detached: true });
    scope.defer(() => script.kill('SIGKILL'));
    const said = (await afterAnswer(where)).events.at(-1);
    expect(said).toMatch(/ERR_NOT_CHECKPOINTABLE.*[Dd]escriptor \d+.*terminal/);
  });

  test('a file of another mount namespace, by its descriptor', async () => {
    const where = await place();
    const log = join(where.report, '../outside');
    // Standard output stays the host's file, as with a process that is put into a container.
    const options = JSON.stringify({ ...where });
    const node = `${process.execPath} ${app} '${options}'`;
    const script = `exec >${log}; exec unshare -m --propagation private sh -c "mount -t tmpfs none /mnt && exec setsid ${node.replaceAll('"', '\\"')}"`;
    const child = spawn('/bin/sh', ['-c', script], { detached: true, stdio: 'ignore', cwd: '/' });
    scope.defer(() => child.kill('SIGKILL'));
    const { pid, events: list } = await afterAnswer(where);
    scope.defer(() => isAlive(pid) && process.kill(pid, 'SIGKILL'));
    const said = list.at(-1);
    expect(said).toMatch(
      /ERR_NOT_CHECKPOINTABLE.*Descriptor \d+ of process \d+, .* outside of its mount/,
    );
  });

  test('a handler that throws', async () => {
    const said = await refused(await place(), {}, ['throws']);
    expect(said).toBe('failed {"message":"not now"}');
  });

  test('something that CRIU refuses, and leaves no images', async () => {
    const where = await place();
    const said = await refused(where, {}, ['connected']);
    expect(said).toMatch(/ERR_CRIU_FAILED.*tcp/i);
    expect(readdirSync(where.imagePath)).toEqual(['dump.log']);
  });

  test('a directory that holds something', async () => {
    const where = await place();
    const said = await refused({ ...where, imagePath: '/etc' }, {});
    expect(said).toMatch(/ERR_CRIU_IMAGES_DIR/);
  });
});

test('the directory is locked for as long as criu writes to it', async () => {
  const other = await startWorkload(scope, ['idle']);
  // A machine that stands still may show it only when it has ended.
  await inSomeRound('criu has the directory', async () => {
    const where = await place();
    start(where, { leaveRunning: true });
    const criu = await until('criu has the directory, or the app its answer', () =>
      existsSync(`${where.report}.answered`) ? -1 : stopCriuIn(where.imagePath),
    );
    if (criu === -1) return false;
    const intruding = dump(other.pid, { imagePath: where.imagePath, existing: 'reuse' });
    await expect(intruding).rejects.toMatchObject({ code: 'ERR_CRIU_IMAGES_DIR' });
    process.kill(criu, 'SIGCONT');
    const { events: list } = await afterAnswer(where);
    expect(list.at(-1)).toBe('restored false with stats');
    expect(isAlive(other.pid)).toBe(true);
    return true;
  });
});

/** Stops the criu that has a directory open, and gives its pid. */
function stopCriuIn(directory: string): number | undefined {
  const found = allProcesses().find(
    ({ name, pid }) => name === 'criu' && descriptorsOf(pid).includes(directory),
  );
  if (found !== undefined) process.kill(found.pid, 'SIGSTOP');
  return found?.pid;
}

/** What the descriptors of a process lead to; nothing when it has ended. */
function descriptorsOf(pid: number): (string | undefined)[] {
  try {
    return readdirSync(`/proc/${pid}/fd`).map((fd) => linkTarget(`/proc/${pid}/fd/${fd}`));
  } catch {
    return [];
  }
}

test('checkpointSelf refuses bad options before it touches anything', async () => {
  for (const options of [
    { leaveRuning: true },
    { imagePath: '' },
    { hooks: {} },
    { timeoutMs: 0 },
  ]) {
    await expect(checkpointSelf(options as object)).rejects.toMatchObject({
      code: 'ERR_INVALID_ARG_VALUE',
    });
  }
});

describe('the commands run and restore', () => {
  test('bring back what was run', async () => {
    const { imagePath, port, pid } = await snapshot();
    const printed = await runOk(process.execPath, [distCli, 'restore', imagePath]);
    scope.defer(() => isAlive(pid) && process.kill(pid, 'SIGKILL'));
    expect(printed).toBe(`${pid}\n`);
    expect(await ask(port, '/cached')).toBe('warm');
  });

  test('tell why a program was not saved', async () => {
    const { imagePath } = await place();
    const script = join(await scope.directory(), 'app.js');
    await runOk('sh', ['-c', `echo 'throw new Error("no such table")' >${script}`]);
    const args = [distCli, 'run', '--snapshot', imagePath, script];
    const { code, stderr } = await run(process.execPath, args);
    expect(code).toBe(1);
    expect(stderr).toMatch(/ended with status 1 before.*no such table/);
    expect(readFileSync(join(imagePath, 'output.log'), 'utf8')).toContain('no such table');
  });

  test.each([
    [['run', 'app.js'], /--snapshot/],
    [['run', '--snapshot', '/tmp/x'], /program/],
    [['restore'], /exactly one argument/],
    [['restore', '/no/such/directory'], /does not exist/],
    [['restore', '--no-such-flag', '/tmp'], /no flag/],
  ])('refuse %j', async (args, says) => {
    const { code, stderr } = await run(process.execPath, [distCli, ...args]);
    expect(code).toBe(1);
    expect(stderr).toMatch(says);
  });
});
