import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { requireNeeds } from '../helpers/needs.js';
import { projectRoot } from '../helpers/paths.js';
import { useScope } from '../helpers/scope.js';
import { sleep, until } from '../helpers/system/exec.js';
import { isAlive, reachesState } from '../helpers/system/process.js';

const addon = process.env['LIBCRIU_ADDON'];
const program = join(
  addon ? dirname(resolve(addon)) : resolve(projectRoot, 'build/Release'),
  'criu_guard',
);

const scope = useScope();
beforeAll(() => requireNeeds('build'));

/** The guard, told by its standard input; its messages have to be kept apart. */
class Guard {
  readonly child: ChildProcess;

  constructor() {
    this.child = spawn(program, [], { stdio: ['pipe', 'ignore', 'inherit'] });
    scope.defer(() => this.child.kill('SIGKILL'));
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  async tell(message: string): Promise<void> {
    await new Promise((done) => this.child.stdin?.write(message, done));
    // It has taken it and waits for the next.
    await reachesState(this.pid, 'S');
  }

  hangUp(): void {
    this.child.stdin?.end();
  }

  async ended(): Promise<{ code: number | null }> {
    if (this.child.exitCode === null) await once(this.child, 'exit');
    return { code: this.child.exitCode };
  }
}

/** A directory with a control file, in the place of a cgroup. */
async function makeCgroup(version: 1 | 2): Promise<{ path: string; state: () => string }> {
  const path = join(await scope.directory(), 'a cgroup');
  await mkdir(path);
  const file = join(path, version === 1 ? 'freezer.state' : 'cgroup.freeze');
  await writeFile(file, version === 1 ? 'FROZEN' : '1');
  return { path, state: () => readFileSync(file, 'utf8') };
}

/** In the place of criu, by default with the disposition of SIGXFSZ that it has. */
async function startSleeper(ignored = 'XFSZ'): Promise<{ pid: number; kill: () => Promise<void> }> {
  const child = spawn('/bin/sh', ['-c', `trap '' ${ignored}; exec sleep 60`], { stdio: 'ignore' });
  const comm = (): string => readFileSync(`/proc/${child.pid}/comm`, 'utf8').trim();
  await until('the sleeper sleeps', () => comm() === 'sleep');
  const kill = async (): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
  };
  scope.defer(kill);
  return { pid: child.pid ?? 0, kill };
}

test.each([1, 2] as const)(
  'the guard thaws a cgroup v%d when it is left, and again until criu has ended',
  async (version) => {
    const { path, state } = await makeCgroup(version);
    const file = join(path, version === 1 ? 'freezer.state' : 'cgroup.freeze');
    const thawed = version === 1 ? 'THAWED' : '0';
    const criu = await startSleeper();
    const guard = new Guard();
    await guard.tell(`F${version} ${criu.pid} ${path}`);
    expect(state()).not.toBe(thawed);
    guard.hangUp();
    await until('it is thawed', () => state() === thawed);
    // criu puts back what it was handed.
    await writeFile(file, version === 1 ? 'FROZEN' : '1');
    await until('it is thawed again', () => state() === thawed);
    expect(isAlive(guard.pid)).toBe(true);
    await criu.kill();
    expect(await guard.ended()).toEqual({ code: 0 });
    expect(state()).toBe(thawed);
  },
);

test('the guard thaws a cgroup while the criu of another one hangs', async () => {
  const [first, second] = [await makeCgroup(1), await makeCgroup(1)].sort((a, b) =>
    a.path < b.path ? -1 : 1,
  );
  if (first === undefined || second === undefined) throw new Error('no cgroups');
  const [hanging, other] = [await startSleeper(), await startSleeper()];
  const guard = new Guard();
  await guard.tell(`F1 ${hanging.pid} ${first.path}`);
  await guard.tell(`F1 ${other.pid} ${second.path}`);
  guard.hangUp();
  await until('both are thawed', () => [first, second].every(({ state }) => state() === 'THAWED'));
  await writeFile(join(second.path, 'freezer.state'), 'FROZEN');
  await other.kill();
  await until('the second is thawed again', () => second.state() === 'THAWED');
  await hanging.kill();
  expect(await guard.ended()).toEqual({ code: 0 });
});

test('the guard leaves alone what it was told is thawed', async () => {
  const { path, state } = await makeCgroup(1);
  const criu = await startSleeper();
  const guard = new Guard();
  await guard.tell(`F1 ${criu.pid} ${path}`);
  await guard.tell(`T ${path}`);
  guard.hangUp();
  expect(await guard.ended()).toEqual({ code: 0 });
  expect(state()).toBe('FROZEN');
});

const fileLimit = (pid: number): string | undefined =>
  /^Max file size\s+(\S+)/m.exec(readFileSync(`/proc/${pid}/limits`, 'utf8'))?.[1];

test('the guard lets a criu that dumps write no more, nor what it has started', async () => {
  const [criu, other] = [await startSleeper(), await startSleeper()];
  const parent = spawn('/bin/sh', ['-c', "trap '' XFSZ; sleep 60 & wait"], { stdio: 'ignore' });
  scope.defer(() => parent.kill('SIGKILL'));
  const family = `/proc/${parent.pid}/task/${parent.pid}/children`;
  const child = await until(
    'it has a child',
    () => Number(readFileSync(family, 'utf8')) || undefined,
  );
  scope.defer(() => process.kill(child, 'SIGKILL'));
  const guard = new Guard();
  for (const pid of [criu.pid, parent.pid, other.pid]) await guard.tell(`D ${pid}`);
  await guard.tell(`E ${other.pid}`);
  guard.hangUp();
  const limits = (): (string | undefined)[] => [criu.pid, parent.pid ?? 0, child].map(fileLimit);
  await until('they write no more', () => limits().every((limit) => limit === '0'));
  expect(fileLimit(other.pid)).toBe('unlimited');
  await criu.kill();
  parent.kill('SIGKILL');
  expect(await guard.ended()).toEqual({ code: 0 });
  expect(isAlive(other.pid)).toBe(true);
});

test('the guard leaves alone a criu that writing too much would end', async () => {
  const criu = await startSleeper('HUP');
  const guard = new Guard();
  await guard.tell(`D ${criu.pid}`);
  guard.hangUp();
  await sleep(300);
  expect(fileLimit(criu.pid)).toBe('unlimited');
  await criu.kill();
  expect(await guard.ended()).toEqual({ code: 0 });
});

test('the guard continues a criu that is stopped, and kills in the end one that dumps on', async () => {
  const criu = await startSleeper();
  const guard = new Guard();
  await guard.tell(`D ${criu.pid} ${process.pid} 0 -`);
  process.kill(criu.pid, 'SIGSTOP');
  await reachesState(criu.pid, 'T');
  guard.hangUp();
  await reachesState(criu.pid, 'S');
  expect(await guard.ended()).toEqual({ code: 0 });
  await until('it has ended', () => !isAlive(criu.pid));
}, 15_000);

test('the guard ends a criu that serves lazy pages', async () => {
  const criu = await startSleeper();
  const guard = new Guard();
  await guard.tell(`S ${criu.pid} ${process.pid} 0`);
  guard.hangUp();
  expect(await guard.ended()).toEqual({ code: 0 });
  await until('it has ended', () => !isAlive(criu.pid));
});

test('the guard ends at once when there is nothing to thaw', async () => {
  const guard = new Guard();
  guard.hangUp();
  expect(await guard.ended()).toEqual({ code: 0 });
});

test('the guard makes nothing where the cgroup is gone', async () => {
  const { path } = await makeCgroup(1);
  const criu = await startSleeper();
  const guard = new Guard();
  await guard.tell(`F1 ${criu.pid} ${path}`);
  await rm(path, { recursive: true });
  await criu.kill();
  guard.hangUp();
  expect(await guard.ended()).toEqual({ code: 0 });
  expect(existsSync(path)).toBe(false);
});

test('the guard bears messages that mean nothing', async () => {
  const { path, state } = await makeCgroup(1);
  const criu = await startSleeper();
  const guard = new Guard();
  for (const message of [
    'F',
    'T',
    'X y',
    'F1',
    'F1 x',
    'F1 1',
    'D',
    'D x',
    'S',
    'S x y',
    'S 0',
    'E',
    '\0',
    ' ',
    `${'x'.repeat(5000)}`,
  ]) {
    await guard.tell(message);
  }
  await guard.tell(`F1 ${criu.pid} ${path}`);
  await criu.kill();
  guard.hangUp();
  expect(await guard.ended()).toEqual({ code: 0 });
  expect(state()).toBe('THAWED');
});
