import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Worker } from 'node:worker_threads';
import { beforeAll, describe, expect, test } from 'vitest';
import { nativeAddon, nativeFile, nativeTarDirectory } from '../../lib/native/addon.js';
import { optionTable } from '../../lib/options/table.js';
import { requireNeeds } from '../helpers/needs.js';
import { useScope } from '../helpers/scope.js';
import { sleep, until } from '../helpers/system/exec.js';
import { allProcesses, type ProcessState } from '../helpers/system/process.js';

const scope = useScope();
beforeAll(() => requireNeeds('build'));

test('the addon sets every field that the options table names', () => {
  const names = nativeAddon().optionNames();
  expect(new Set(names).size).toBe(names.length);
  const fields = optionTable.flatMap(({ field }) => (field === undefined ? [] : [field]));
  expect(fields.filter((field) => !names.includes(field))).toEqual([]);
});

describe('exchange', () => {
  async function two(): Promise<[string, string]> {
    const directory = await scope.directory();
    const paths: [string, string] = [join(directory, 'first'), join(directory, 'second')];
    for (const path of paths) {
      mkdirSync(path);
      writeFileSync(join(path, 'which'), path);
    }
    return paths;
  }

  test('swaps two directories, whatever is in them', async () => {
    const [first, second] = await two();
    nativeAddon().exchange(first, second);
    expect(readFileSync(join(first, 'which'), 'utf8')).toBe(second);
    expect(readFileSync(join(second, 'which'), 'utf8')).toBe(first);
    nativeAddon().exchange(second, first);
    expect(readFileSync(join(first, 'which'), 'utf8')).toBe(first);
  });

  test('of a path that is not there throws with its errno and a code, and changes nothing', async () => {
    const [first, second] = await two();
    const missing = `${second}-missing`;
    expect(() => nativeAddon().exchange(first, missing)).toThrow(
      expect.objectContaining({ errno: 2, code: 'ERR_CRIU_IMAGES_DIR' }) as Error,
    );
    expect(readFileSync(join(first, 'which'), 'utf8')).toBe(first);
    expect(existsSync(missing)).toBe(false);
  });

  test('of file systems that differ throws', async () => {
    const [first] = await two();
    expect(() => nativeAddon().exchange(first, '/proc/self')).toThrow(
      expect.objectContaining({ code: 'ERR_CRIU_IMAGES_DIR' }) as Error,
    );
    expect(readFileSync(join(first, 'which'), 'utf8')).toBe(first);
  });
});

test('hasNftables tells yes or no, the same each time, and holds nothing', () => {
  const addon = nativeAddon();
  const descriptors = (): number => readdirSync('/proc/self/fd').length;
  const answer = addon.hasNftables();
  expect(typeof answer).toBe('boolean');
  const before = descriptors();
  for (let round = 0; round < 100; round++) expect(addon.hasNftables()).toBe(answer);
  expect(descriptors()).toBe(before);
});

describe('what is kept ready', () => {
  const addon = nativeAddon;
  /** In the place of criu: it waits, whatever its arguments are. */
  async function waitingProgram(): Promise<string> {
    const file = join(await scope.directory(), 'waits');
    writeFileSync(file, '#!/bin/sh\nexec sleep 60\n', { mode: 0o755 });
    return file;
  }
  const ours = (): ProcessState[] =>
    allProcesses().filter(({ name, parent }) => parent === process.pid && name !== 'node');
  const children = (): number[] => ours().map(({ pid }) => pid);
  const count = (expected: number): Promise<unknown> =>
    until(`there are ${expected} children`, () => children().length === expected);

  test('close does no harm without anything to close, and twice', async () => {
    const standby = addon().createStandby(1);
    await addon().close(standby);
    await Promise.all([addon().close(standby), addon().close(standby)]);
    await addon().closeAll();
  });

  test('prepare does not fail with a program that is not there', async () => {
    const standby = addon().createStandby(1);
    addon().prepare(standby, { binary: '/nowhere/criu', environment: [] });
    await addon().close(standby);
    await count(0);
  });

  test('close ends what is ready of one owner, and the guard with the last', async () => {
    const settings = { binary: await waitingProgram(), environment: [] };
    const [first, second] = [addon().createStandby(2), addon().createStandby(1)];
    addon().prepare(first, settings);
    await count(3);
    const before = children();
    addon().prepare(second, settings);
    await count(4);
    await addon().close(first);
    // The guard, which was there before, and the worker of the other.
    expect(children().filter((pid) => before.includes(pid))).toHaveLength(1);
    expect(children()).toHaveLength(2);
    await addon().close(second);
    expect(children()).toEqual([]);
  });

  test('close ends what is only just being started', async () => {
    const settings = { binary: await waitingProgram(), environment: [] };
    for (let round = 0; round < 20; round++) {
      const standby = addon().createStandby(3);
      addon().prepare(standby, settings);
      if (round % 2 > 0) await new Promise((resolve) => setTimeout(resolve, round / 4));
      await addon().close(standby);
      expect(children(), `round ${round}`).toEqual([]);
    }
  });

  test('prepare after close, without waiting for it, is not undone', async () => {
    const settings = { binary: await waitingProgram(), environment: [] };
    for (let round = 0; round < 20; round++) {
      const standby = addon().createStandby(1);
      addon().prepare(standby, settings);
      if (round % 2 > 0) await new Promise((resolve) => setTimeout(resolve, round / 4));
      const closing = addon().close(standby);
      addon().prepare(standby, settings);
      await closing;
      // The guard and the worker; what is on its way to a program of ours is not named yet.
      await until(`round ${round}: both are there`, () => {
        const names = ours().map(({ name }) => name);
        return isDeepStrictEqual(names.sort(), ['criu_guard', 'sleep']);
      });
      await addon().close(standby);
      expect(children(), `round ${round}`).toEqual([]);
    }
  });

  test('what is killed is reaped at once, and comes back when it is needed', async () => {
    const settings = { binary: await waitingProgram(), environment: [] };
    const standby = addon().createStandby(2);
    for (let round = 0; round < 5; round++) {
      addon().prepare(standby, settings);
      await until(`round ${round}: all are there`, () => {
        const names = ours().map(({ name, state }) => `${name} ${state}`);
        return isDeepStrictEqual(names.sort(), ['criu_guard S', 'sleep S', 'sleep S']);
      });
      // One at first, as somebody kills it; then all, as for want of memory.
      for (const pid of children().slice(0, round === 0 ? 1 : 3)) process.kill(pid, 'SIGKILL');
      await count(round === 0 ? 2 : 0);
    }
    await addon().close(standby);
    expect(children()).toEqual([]);
  });

  test('to wait for what is killed takes no processor time', async () => {
    const settings = { binary: await waitingProgram(), environment: [] };
    const standby = addon().createStandby(2);
    addon().prepare(standby, settings);
    await count(3);
    const nameOf = (id: string): string =>
      readFileSync(`/proc/self/task/${id}/comm`, 'latin1').trim();
    const id = await until('there is a thread that waits', () =>
      readdirSync('/proc/self/task').find((one) => nameOf(one) === 'criu-watch'),
    );
    /** User and system time. */
    const ticks = (): number[] => {
      const stat = readFileSync(`/proc/self/task/${id}/stat`, 'latin1');
      return stat.split(') ')[1]?.split(' ').slice(11, 13).map(Number) ?? [];
    };
    const sum = (values: readonly number[]): number =>
      values.reduce((total, one) => total + one, 0);
    const before = sum(ticks());
    await sleep(1_000);
    // A thread that spins takes most of a hundred ticks, and beside other work its share of them. One
    // that runs for a moment can be charged for a whole one.
    expect(sum(ticks()) - before).toBeLessThan(3);
    await addon().close(standby);
  });

  test('closeAll ends that of all owners', async () => {
    const settings = { binary: await waitingProgram(), environment: [] };
    const standbys = [1, 2].map((spares) => addon().createStandby(spares));
    for (const standby of standbys) addon().prepare(standby, settings);
    await count(4);
    await addon().closeAll();
    expect(children()).toEqual([]);
    for (const standby of standbys) await addon().close(standby);
  });

  test('it ends when its owner is garbage', async () => {
    const settings = { binary: await waitingProgram(), environment: [] };
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    // Out of sight of this function, whose own variables live on while it waits.
    const make = (): Set<unknown> => {
      const standby = addon().createStandby(1);
      addon().prepare(standby, settings);
      return new Set([standby]);
    };
    const owner = make();
    await count(2);
    owner.clear();
    await until('nothing is left', () => {
      collect();
      return children().length === 0;
    });
  });

  test('it ends with its worker thread, and that of other threads stays', async () => {
    const binary = await waitingProgram();
    const standby = addon().createStandby(1);
    addon().prepare(standby, { binary, environment: [] });
    await count(2);
    const before = children();
    const code = `
      const { parentPort, workerData } = require('node:worker_threads');
      const addon = require(workerData.file);
      const standby = addon.createStandby(2);
      addon.prepare(standby, { binary: workerData.binary, environment: [] });
      // Until it is told so, or terminated.
      parentPort.once('message', () => addon.close(standby));`;
    const file = nativeFile('criu_native.node');
    for (const closes of [false, true]) {
      const worker = new Worker(code, { eval: true, workerData: { file, binary } });
      await count(4);
      if (closes) {
        const exited = once(worker, 'exit');
        worker.postMessage('close');
        await exited;
      } else await worker.terminate();
      expect(children()).toEqual(before);
    }
    await addon().close(standby);
    expect(children()).toEqual([]);
  });

  test('what is no owner is refused', () => {
    const settings = { binary: '/nowhere', environment: [] };
    for (const wrong of [undefined, null, 7, {}, 'standby']) {
      expect(() => addon().prepare(wrong as never, settings)).toThrow(/^native request: standby/);
      expect(() => addon().close(wrong as never)).toThrow(/^native request: standby/);
    }
  });
});

test('a request that is mistyped is refused before anything is started', () => {
  const addon = nativeAddon();
  const good = {
    verb: 'version',
    library: '/nowhere',
    binary: '/nowhere',
    environment: [],
    fields: {},
  };
  for (const wrong of [
    undefined,
    null,
    7,
    {},
    { ...good, verb: 'nonsense' },
    { ...good, verb: 7 },
    { ...good, binary: 7 },
    { ...good, environment: 'A=b' },
    { ...good, environment: [7] },
    { ...good, fields: { nonsense: true } },
    { ...good, fields: { pid: 'one' } },
    { ...good, fields: { ps: [] } },
    { ...good, fields: { ps: [['10.0.0.1', '27', '28']] } },
    { ...good, fields: { ps: [['10.0.0.1', 'x']] } },
    { ...good, fields: { ps: [['10.0.0.1', '27x']] } },
    { ...good, fields: { ps: [['10.0.0.1', '65536']] } },
    { ...good, fields: { ps: [['10.0.0.1', '']] } },
    {
      ...good,
      fields: {
        ps: [
          ['10.0.0.1', '27'],
          ['10.0.0.2', '27'],
        ],
      },
    },
    { ...good, freezer: 7 },
    { ...good, freezer: { fd: 0, path: '/', version: 'two', place: '' } },
    { ...good, standby: {} },
    { ...good, library: 7 },
  ]) {
    const expected = expect.objectContaining({
      message: expect.stringMatching(/^native request: /) as string,
    }) as Error;
    expect(() => addon.start(wrong as never), JSON.stringify(wrong)).toThrow(expected);
  }
});

test('the directory of our own tar has one program in it', () => {
  expect(readdirSync(nativeTarDirectory())).toEqual(['tar']);
});

describe('kill', () => {
  const startTimeOf = (pid: number): number => {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return Number(text.slice(text.lastIndexOf(')') + 2).split(' ')[19]);
  };

  test('ends the process that was started then, whatever it is called', async () => {
    const child = spawn('/bin/sh', ['-c', 'echo "a) b) c" > /proc/$$/comm; read x'], {
      stdio: ['pipe', 'ignore', 'ignore'],
    });
    const { pid = 0 } = child;
    await until('it has its name', () =>
      readFileSync(`/proc/${pid}/comm`, 'utf8').startsWith('a) b) c'),
    );
    const startTime = startTimeOf(pid);
    const ended = once(child, 'exit');
    expect(nativeAddon().kill(pid, startTime)).toBe(true);
    expect(await ended).toEqual([null, 'SIGKILL']);
    expect(nativeAddon().kill(pid, startTime)).toBe(false);
  });

  test('leaves another one alone that has the pid', () => {
    const child = spawn('sleep', ['60']);
    const { pid = 0 } = child;
    const startTime = startTimeOf(pid);
    for (const other of [startTime - 1, startTime + 1, 0]) {
      expect(nativeAddon().kill(pid, other)).toBe(false);
    }
    expect(child.kill(0)).toBe(true);
    child.kill('SIGKILL');
  });

  test.each([
    ['no pid', 'x', 1],
    ['no time', 1, 'x'],
  ])('takes %s for a mistake', (_what, pid, startTime) => {
    expect(() => nativeAddon().kill(pid as number, startTime as number)).toThrow(
      /^native request: /,
    );
  });
});

describe('what is told of the sockets of a process', () => {
  /** A program that makes sockets, says so, and stays. */
  async function socketsOf(script: string): Promise<number> {
    const program = `import socket, time\n${script}\nprint('ready', flush=True)\ntime.sleep(60)`;
    const child = spawn('python3', ['-c', program], { stdio: ['ignore', 'pipe', 'inherit'] });
    scope.defer(() => child.kill('SIGKILL'));
    await once(child.stdout, 'data');
    return child.pid ?? 0;
  }

  /** The inode of its socket with that descriptor. */
  const inodeOf = (pid: number, fd: number): number =>
    Number(/\d+/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[0]);

  test('has the groups and the address of a netlink socket', async () => {
    const pid = await socketsOf(`
a = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
a.bind((0, 1))
b = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
b.setsockopt(270, 1, 33)`);
    const { netlink = [] } = (await nativeAddon().memberships(pid)) ?? {};
    const of = (fd: number) => netlink.find(({ inode }) => inode === inodeOf(pid, fd));
    expect(of(3)).toMatchObject({ port: pid, groups: [1, 0] });
    expect(of(4)).toMatchObject({ port: 0, groups: [0, 1] });
  });

  test('has how often a packet socket has asked for an address, in another namespace', async () => {
    const pid = await socketsOf(`
import ctypes, struct
ctypes.CDLL(None).unshare(0x40000000)
a = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
for _ in range(3): a.setsockopt(263, 1, struct.pack('iHH8s', 1, 1, 0, b''))`);
    const { packet } = (await nativeAddon().memberships(pid)) ?? {};
    expect(packet).toEqual([{ inode: inodeOf(pid, 3), counts: [3] }]);
  });

  test('is whether what is received comes with more', async () => {
    const pid = await socketsOf(`
a, b = socket.socketpair()
b.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)`);
    expect(nativeAddon().passesControl(pid, 3)).toBe(false);
    expect(nativeAddon().passesControl(pid, 4)).toBe(true);
    expect(nativeAddon().passesControl(pid, 0)).toBeUndefined();
    expect(nativeAddon().passesControl(pid, 77)).toBeUndefined();
  });

  test('is nothing of a process that is not there', async () => {
    expect(await nativeAddon().memberships(0x7fff_fff0)).toBeUndefined();
    expect(nativeAddon().passesControl(0x7fff_fff0, 0)).toBeUndefined();
  });
});

describe('a file', () => {
  const path = async (name: string): Promise<Buffer> =>
    Buffer.from(join(await scope.directory(), name));

  test('gets an extended attribute, and a link to it does not lead there', async () => {
    const file = await path('file');
    writeFileSync(file, '');
    nativeAddon().setAttribute(file, 'user.libcriu', Buffer.from([1, 0, 2]));
    const link = await path('link');
    symlinkSync(file, link);
    // A symbolic link can have none of the user's.
    expect(() => nativeAddon().setAttribute(link, 'user.other', Buffer.from('x'))).toThrow(
      expect.objectContaining({ code: 'ERR_SYSTEM_ERROR', stage: 'archive' }),
    );
    expect(() => nativeAddon().setAttribute(file, 'user.', Buffer.from('x'))).toThrow(/EINVAL/);
  });

  test('is made as a named pipe, whatever bytes its name has, and not in the place of another', async () => {
    const pipe = Buffer.concat([await path('pipe'), Buffer.from([0xff])]);
    nativeAddon().makeFifo(pipe, 0o600);
    expect(statSync(pipe).isFIFO()).toBe(true);
    expect(() => nativeAddon().makeFifo(pipe, 0o600)).toThrow(
      expect.objectContaining({ code: 'ERR_SYSTEM_ERROR', stage: 'archive' }),
    );
  });
});
