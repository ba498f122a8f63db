import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, open, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { requireNeeds } from '../helpers/needs.js';
import { nativeDirectory } from '../helpers/paths.js';
import { useScope } from '../helpers/scope.js';
import { sleep, until } from '../helpers/system/exec.js';
import { isAlive, reachesState, workloadBinary } from '../helpers/system/process.js';

const program = join(nativeDirectory, 'criu_guard');

const scope = useScope();
beforeAll(() => requireNeeds('build', 'gcc'));

/** The guard, told by a program that can pass descriptors to it. */
class Guard {
  readonly #child: ChildProcess;
  readonly pid: number;

  private constructor(child: ChildProcess, pid: number) {
    this.#child = child;
    this.pid = pid;
  }

  static async start(): Promise<Guard> {
    const child = spawn(await workloadBinary('tell-guard'), [program], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    scope.defer(() => child.kill('SIGKILL'));
    let said = '';
    child.stdout?.on('data', (chunk: Buffer) => {
      said += chunk.toString();
    });
    const pid = await until('it is started', () => Number(/^(\d+)\n/.exec(said)?.[1]) || undefined);
    scope.defer(() => isAlive(pid) && process.kill(pid, 'SIGKILL'));
    return new Guard(child, pid);
  }

  /** @param file - Goes with the message, opened. */
  async tell(message: string, file = ''): Promise<void> {
    const bytes = Buffer.concat([
      Buffer.from(`${Buffer.byteLength(message)} ${file}\n`),
      Buffer.from(message),
    ]);
    await new Promise((done) => this.#child.stdin?.write(bytes, done));
    // Both have taken it and wait for the next.
    await reachesState(this.#child.pid ?? 0, 'S');
    await reachesState(this.pid, 'S');
  }

  hangUp(): void {
    this.#child.stdin?.end();
  }

  async ended(): Promise<{ code: number | null }> {
    if (this.#child.exitCode === null) await once(this.#child, 'exit');
    return { code: this.#child.exitCode };
  }
}

/** A directory with a control file, in the place of a cgroup. */
interface FakeCgroup {
  path: string;
  /** Its control file. */
  file: string;
  state: () => string;
}

async function makeCgroup(version: 1 | 2): Promise<FakeCgroup> {
  const path = join(await scope.directory(), 'a cgroup');
  await mkdir(path);
  const file = join(path, version === 1 ? 'freezer.state' : 'cgroup.freeze');
  await writeFile(file, version === 1 ? 'FROZEN' : '1');
  return { path, file, state: () => readFileSync(file, 'utf8') };
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
    const { file, state } = await makeCgroup(version);
    const thawed = version === 1 ? 'THAWED' : '0';
    const criu = await startSleeper();
    const guard = await Guard.start();
    await guard.tell(`F${version} 1 ${criu.pid}`, file);
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
  const [first, second] = [await makeCgroup(1), await makeCgroup(1)];
  const [hanging, other] = [await startSleeper(), await startSleeper()];
  const guard = await Guard.start();
  await guard.tell(`F1 1 ${hanging.pid}`, first.file);
  await guard.tell(`F1 2 ${other.pid}`, second.file);
  guard.hangUp();
  await until('both are thawed', () => [first, second].every(({ state }) => state() === 'THAWED'));
  await writeFile(second.file, 'FROZEN');
  await other.kill();
  await until('the second is thawed again', () => second.state() === 'THAWED');
  await hanging.kill();
  expect(await guard.ended()).toEqual({ code: 0 });
});

test('the guard leaves alone what it was told is thawed', async () => {
  const { file, state } = await makeCgroup(1);
  const criu = await startSleeper();
  const guard = await Guard.start();
  await guard.tell(`F1 7 ${criu.pid}`, file);
  await guard.tell('T 7');
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
  const guard = await Guard.start();
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
  const guard = await Guard.start();
  await guard.tell(`D ${criu.pid}`);
  guard.hangUp();
  await sleep(300);
  expect(fileLimit(criu.pid)).toBe('unlimited');
  await criu.kill();
  expect(await guard.ended()).toEqual({ code: 0 });
});

test('the guard continues a criu that is stopped, and kills in the end one that dumps on', async () => {
  const criu = await startSleeper();
  const guard = await Guard.start();
  await guard.tell(`D ${criu.pid} ${process.pid} 0 -`);
  process.kill(criu.pid, 'SIGSTOP');
  await reachesState(criu.pid, 'T');
  guard.hangUp();
  await reachesState(criu.pid, 'S');
  expect(await guard.ended()).toEqual({ code: 0 });
  await until('it has ended', () => !isAlive(criu.pid));
});

test('the guard ends a criu that serves lazy pages', async () => {
  const criu = await startSleeper();
  const guard = await Guard.start();
  await guard.tell(`S ${criu.pid} ${process.pid} 0`);
  guard.hangUp();
  expect(await guard.ended()).toEqual({ code: 0 });
  await until('it has ended', () => !isAlive(criu.pid));
});

test('the guard ends what a criu that serves has started, too', async () => {
  // A criu that examines the kernel has a child, which it kills itself when it lives.
  const script = 'sleep 600 & echo $!; exec sleep 60';
  const criu = spawn('/bin/sh', ['-c', script], {
    detached: true,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  scope.defer(() => criu.kill('SIGKILL'));
  const [said] = (await once(criu.stdout, 'data')) as [Buffer];
  const child = Number(said.toString());
  const guard = await Guard.start();
  await guard.tell(`S ${criu.pid} ${process.pid} 0`);
  guard.hangUp();
  expect(await guard.ended()).toEqual({ code: 0 });
  await until('both have ended', () => !isAlive(criu.pid ?? 0) && !isAlive(child));
});

test('the guard ends at once when there is nothing to thaw', async () => {
  const guard = await Guard.start();
  guard.hangUp();
  expect(await guard.ended()).toEqual({ code: 0 });
});

/** What may become of the path of a cgroup, once its file is open. */
test.each<[string, (cgroup: FakeCgroup, other: FakeCgroup) => Promise<unknown>]>([
  ['has been moved', (cgroup) => rename(cgroup.path, `${cgroup.path}-moved`)],
  [
    'leads to another cgroup',
    async (cgroup, other) => {
      await rename(cgroup.path, `${cgroup.path}-moved`);
      await rename(other.path, cgroup.path);
    },
  ],
  [
    'has become a link to another cgroup',
    async (cgroup, other) => {
      await rename(cgroup.path, `${cgroup.path}-moved`);
      await symlink(other.path, cgroup.path);
    },
  ],
  [
    'has a link as its control file',
    async (cgroup, other) => {
      await rename(cgroup.path, `${cgroup.path}-moved`);
      await mkdir(cgroup.path);
      await symlink(other.file, cgroup.file);
    },
  ],
])('the guard thaws the cgroup that was checked when its path %s', async (_what, change) => {
  const [cgroup, other] = [await makeCgroup(1), await makeCgroup(1)];
  const criu = await startSleeper();
  const guard = await Guard.start();
  await guard.tell(`F1 1 ${criu.pid}`, cgroup.file);
  const openOther = await open(other.file, 'r');
  scope.defer(() => openOther.close());
  await change(cgroup, other);
  await criu.kill();
  guard.hangUp();
  expect(await guard.ended()).toEqual({ code: 0 });
  expect(readFileSync(join(`${cgroup.path}-moved`, 'freezer.state'), 'utf8')).toBe('THAWED');
  expect(readFileSync(openOther.fd, 'utf8')).toBe('FROZEN');
});

test('the guard makes nothing where the cgroup is gone', async () => {
  const { path, file } = await makeCgroup(1);
  const criu = await startSleeper();
  const guard = await Guard.start();
  await guard.tell(`F1 1 ${criu.pid}`, file);
  await rm(path, { recursive: true });
  await criu.kill();
  guard.hangUp();
  expect(await guard.ended()).toEqual({ code: 0 });
  expect(existsSync(path)).toBe(false);
});

test('the guard bears messages that mean nothing', async () => {
  const { file, state } = await makeCgroup(1);
  const criu = await startSleeper();
  const guard = await Guard.start();
  for (const message of [
    'F',
    'T',
    'X y',
    'F1',
    'F1 x',
    'F1 1',
    'F1 1 1',
    'F1 x y z',
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
  // With a descriptor that none of them needs, or without one that is needed.
  for (const message of ['T 1', 'E 1', 'X', 'D x']) await guard.tell(message, file);
  await guard.tell(`F1 1 ${criu.pid}`, file);
  await criu.kill();
  guard.hangUp();
  expect(await guard.ended()).toEqual({ code: 0 });
  expect(state()).toBe('THAWED');
});
