import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmdirSync } from 'node:fs';
import { symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { Criu, dump } from '../../helpers/api.js';
import { requireNeeds } from '../../helpers/needs.js';
import { rejection } from '../../helpers/rejection.js';
import { useScope } from '../../helpers/scope.js';
import { never, until } from '../../helpers/system/exec.js';
import { isAlive, startWorkload, tracerOf } from '../../helpers/system/process.js';
import { uniqueId } from '../../helpers/workloads/container.js';

const scope = useScope();
beforeAll(() =>
  requireNeeds('root', 'criu', 'libcriu', 'runc', 'busybox', 'gcc', 'protoc', 'strace'),
);

/** Where the hierarchies with a freezer are mounted. */
function freezerMounts(): [version: 1 | 2, mountpoint: string][] {
  return readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .flatMap((line): [1 | 2, string][] => {
      const [before = '', after = ''] = line.split(' - ');
      const mountpoint = before.split(' ')[4] ?? '';
      if (after.startsWith('cgroup2 ')) return [[2, mountpoint]];
      return /^cgroup .*\bfreezer\b/.test(after) ? [[1, mountpoint]] : [];
    });
}

test('this machine has a cgroup with a freezer', () => {
  expect(freezerMounts()).not.toEqual([]);
});

describe.each(freezerMounts())('a freezeCgroup of cgroup v%d', (version, mountpoint) => {
  const frozen = (path: string): boolean =>
    version === 1
      ? readFileSync(join(path, 'freezer.state'), 'utf8') !== 'THAWED\n'
      : readFileSync(join(path, 'cgroup.freeze'), 'utf8') !== '0\n' ||
        /^frozen 1$/m.test(readFileSync(join(path, 'cgroup.events'), 'utf8'));

  const control = version === 1 ? 'freezer.state' : 'cgroup.freeze';

  /** A cgroup of its own with one process of 96 MiB in it. */
  async function start(): Promise<{ path: string; pid: number }> {
    const path = join(mountpoint, uniqueId());
    mkdirSync(path);
    scope.defer(() => until('the cgroup is removed', () => isRemoved(path)));
    const { pid } = await startWorkload(scope, ['memory', 96]);
    await writeFile(join(path, 'cgroup.procs'), String(pid));
    return { path, pid };
  }

  function isRemoved(path: string): boolean {
    try {
      rmdirSync(path);
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EBUSY') return false;
      throw error;
    }
  }

  test('is frozen for the dump and thawed after success, failure and the death of criu', async () => {
    const { path, pid } = await start();
    const criu = new Criu();
    const directory = await scope.directory();
    const options = { freezeCgroup: path, leaveRunning: true };

    let wasFrozen = false;
    const hooks = {
      preDump: () => {
        wasFrozen = frozen(path);
      },
    };
    const { timings } = await dump(pid, {
      criu,
      ...options,
      imagePath: join(directory, 'good'),
      hooks,
    });
    expect(wasFrozen).toBe(true);
    expect(timings.freezeMs).toBeGreaterThan(0);
    expect(frozen(path)).toBe(false);

    const veto = (): never => {
      throw new Error('no');
    };
    await expect(
      dump(pid, {
        criu,
        ...options,
        imagePath: join(directory, 'vetoed'),
        hooks: { postDump: veto },
      }),
    ).rejects.toMatchObject({ code: 'ERR_CRIU_VETOED' });
    expect(frozen(path)).toBe(false);

    const kill = (): Promise<never> => {
      process.kill(tracerOf(pid) ?? -1, 'SIGKILL');
      return never();
    };
    await expect(
      dump(pid, {
        criu,
        ...options,
        imagePath: join(directory, 'killed'),
        hooks: { postDump: kill },
      }),
    ).rejects.toMatchObject({ code: 'ERR_CRIU_DIED' });
    expect(frozen(path)).toBe(false);
    expect(isAlive(pid)).toBe(true);
  });

  test('stays frozen when it was', async () => {
    const { path, pid } = await start();
    const [file, word] = version === 1 ? ['freezer.state', 'FROZEN'] : ['cgroup.freeze', '1'];
    await writeFile(join(path, file ?? ''), word ?? '');
    scope.defer(() => writeFile(join(path, file ?? ''), version === 1 ? 'THAWED' : '0'));
    await until('the cgroup is frozen', () => frozen(path));
    const criu = new Criu();
    const imagePath = join(await scope.directory(), 'images');
    await dump(pid, { criu, freezeCgroup: path, leaveRunning: true, imagePath });
    // CRIU freezes it again, and on v2 that takes a moment.
    await until('it is frozen', () => frozen(path));
  });

  test('that another tool is dumping is refused, and left as it is', async () => {
    const { path, pid } = await start();
    const tracer = spawn('strace', ['-p', String(pid)], { stdio: 'ignore' });
    scope.defer(() => tracer.kill('SIGKILL'));
    await until('it is traced', () => tracerOf(pid) === tracer.pid);
    await writeFile(join(path, control), version === 1 ? 'FROZEN' : '1');
    scope.defer(() => writeFile(join(path, control), version === 1 ? 'THAWED' : '0'));
    const imagePath = join(await scope.directory(), 'images');
    const error = await rejection(dump(pid, { freezeCgroup: path, imagePath }));
    expect(error).toMatchObject({ code: 'ERR_CONTAINER_BUSY', stage: 'freeze' });
    expect(error.message).toContain(`traced by process ${tracer.pid}`);
    expect(existsSync(imagePath)).toBe(false);
    expect(frozen(path)).toBe(true);
  });

  /** What is no cgroup of the process alone, and what the refusal says of it. */
  const wrong: [what: string, says: string, make: (own: string) => Promise<string> | string][] = [
    ['a directory', 'it is not a directory of cgroups', () => scope.directory()],
    [
      'a pipe by the name of a control file',
      'it is not a directory of cgroups',
      async () => {
        const directory = await scope.directory();
        execFileSync('mkfifo', [join(directory, control)]);
        return directory;
      },
    ],
    [
      "a link to root's file by the name of a control file",
      'it is not a directory of cgroups',
      async () => {
        const directory = await scope.directory();
        await writeFile(join(directory, 'precious'), 'precious');
        await symlink(join(directory, 'precious'), join(directory, control));
        return directory;
      },
    ],
    [
      'a link to the cgroup',
      'it is not a directory, or a link to one',
      async (own) => {
        const link = join(await scope.directory(), 'link');
        await symlink(own, link);
        return link;
      },
    ],
    ['a control file', 'it is not a directory, or a link to one', (own) => join(own, control)],
    ['a cgroup that is gone', 'it does not exist', (own) => `${own}-gone`],
    ['a cgroup beside it', 'is not in it', (own) => makeGroup(`${own}-beside`)],
    ['a cgroup below it', 'is not in it', (own) => makeGroup(join(own, 'below'))],
    ['the cgroup of this process', 'this process is in it', () => ourOwn()],
    ['the root of the hierarchy', 'this process is in it', () => mountpoint],
  ];

  function makeGroup(path: string): string {
    mkdirSync(path);
    scope.defer(() => rmdirSync(path));
    return path;
  }

  function ourOwn(): string {
    const controller = version === 1 ? 'freezer' : '';
    const line = readFileSync('/proc/self/cgroup', 'utf8')
      .split('\n')
      .find((one) => one.split(':')[1] === controller);
    return mountpoint + (line?.split(':')[2] ?? '').replace(/^\/$/, '');
  }

  test.each(wrong)('that is %s is refused, and nothing is touched', async (_what, says, make) => {
    const { path, pid } = await start();
    const freezeCgroup = await make(path);
    const imagePath = join(await scope.directory(), 'images');
    const error = await rejection(dump(pid, { freezeCgroup, imagePath }));
    expect(error).toMatchObject({ code: 'ERR_INVALID_ARG_VALUE', option: 'freezeCgroup' });
    expect(error.message).toContain(says);
    expect(existsSync(imagePath)).toBe(false);
    expect(frozen(path)).toBe(false);
    expect(isAlive(pid)).toBe(true);
  });

  test('is found by another mount of it, and above the process', async () => {
    const { path, pid } = await start();
    const move = (group: string): Promise<void> =>
      writeFile(join(group, 'cgroup.procs'), String(pid));
    await move(makeGroup(join(path, 'below')));
    scope.defer(() => move(path));
    const mounted = await scope.directory();
    execFileSync('mount', ['--bind', path, mounted]);
    // A criu that has answered takes a moment to end.
    const unmount = (): boolean => spawnSync('umount', [mounted]).status === 0;
    scope.defer(() => until('it is unmounted', unmount));
    const imagePath = join(await scope.directory(), 'images');
    // At its end comes a slash, which is not part of a name.
    await dump(pid, { freezeCgroup: `${mounted}/`, leaveRunning: true, imagePath });
    expect(frozen(path)).toBe(false);
  });
});
