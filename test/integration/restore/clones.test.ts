import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  closeSync,
  constants,
  existsSync,
  openSync,
  readdirSync,
  readFileSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { hostname } from 'node:os';
import { join, resolve } from 'node:path';
import { Worker } from 'node:worker_threads';
import { beforeAll, describe, expect, test } from 'vitest';
import { dump, type RestoreOptions, restore } from '../../helpers/api.js';
import { cloneOk, pidsOf } from '../../helpers/criu/clones.js';
import { dumpAway, restoreFails } from '../../helpers/criu/restored.js';
import { requireNeeds } from '../../helpers/needs.js';
import { optionTest } from '../../helpers/option-test.js';
import { projectRoot } from '../../helpers/paths.js';
import { failureOf, rejection } from '../../helpers/rejection.js';
import { useScope } from '../../helpers/scope.js';
import { never, run, runOk, until } from '../../helpers/system/exec.js';
import { assertNoLeak, hasSpare, settledHoldings } from '../../helpers/system/leaks.js';
import { linkTarget } from '../../helpers/system/link.js';
import {
  allProcesses,
  isAlive,
  processState,
  startNode,
  startShell,
  startWorkload,
} from '../../helpers/system/process.js';

const scope = useScope();
beforeAll(() => requireNeeds('root', 'criu', 'libcriu', 'gcc'));

const pidNamespace = 'new';
const distIndex = resolve(projectRoot, 'dist/index.js');

/** Images of a process that goes on under the same pids, which are then not free. */
async function imagesOfIdle(): Promise<{ imagePath: string; pid: number }> {
  const { pid } = await startWorkload(scope, ['idle']);
  const imagePath = join(await scope.directory(), 'images');
  await dump(pid, { imagePath, leaveRunning: true });
  return { imagePath, pid };
}

/** What a server answers to a process in the network of another one. */
async function answerIn(pid: number, port: string): Promise<string> {
  const script = `fetch('http://127.0.0.1:${port}').then(async (answer) => {
    process.stdout.write(await answer.text());
  });`;
  return await runOk('nsenter', [`--net=/proc/${pid}/ns/net`, process.execPath, '-e', script]);
}

async function thereIsNobodyIn(namespace: string | undefined): Promise<void> {
  const isIn = ({ pid }: { pid: number }): boolean =>
    linkTarget(`/proc/${pid}/ns/pid`) === namespace;
  await until('the namespace is gone', () => !allProcesses().some(isIn));
}

test('a clone has the pids of its images in a namespace of its own, beside the original', async () => {
  const { imagePath, pid } = await imagesOfIdle();
  const clone = await cloneOk(scope, imagePath);
  expect(clone.pid).not.toBe(pid);
  expect(pidsOf(clone.pid).at(-1)).toBe(pid);
  expect(pidsOf(clone.init).at(-1)).toBe(1);
  expect(processState(clone.init)?.parent).toBe(process.pid);
  expect(isAlive(pid)).toBe(true);
  // Its /proc tells of the namespace alone.
  const seen = (): string[] =>
    readdirSync(`/proc/${clone.pid}/root/proc`).filter((name) => /^\d+$/.test(name));
  await until('criu has ended', () => seen().length === 2);
  expect(seen().sort()).toEqual(['1', String(pid)].sort());
  expect(clone.logFile).toBe(join(imagePath, 'restore.log'));
  expect(existsSync(clone.logFile)).toBe(true);
  expect(clone.stats?.restoreTimeUs).toBeGreaterThan(0);
  expect(readdirSync(imagePath).filter((name) => name.startsWith('.'))).toEqual([]);
});

optionTest(
  'pidNamespace',
  '20 clones of one process run at once, and nothing is left of them',
  async () => {
    const directory = await scope.directory();
    const node = await startNode(
      scope,
      `let count = 0;
     setInterval(() => {
       require('node:fs').writeFileSync('${directory}/' + process.pid, String(++count));
     }, 20);
     ready('');`,
    );
    const imagePath = await dumpAway(scope, node);
    const before = await settledHoldings([], hasSpare);
    const clones = await Promise.all(Array.from({ length: 20 }, () => cloneOk(scope, imagePath)));
    expect(new Set(clones.map(({ pid }) => pid)).size).toBe(20);
    for (const { pid } of clones) expect(pidsOf(pid).at(-1)).toBe(node.pid);
    const file = join(directory, String(node.pid));
    unlinkSync(file);
    await until('they count', () => existsSync(file));
    for (const [index, { pid }] of clones.entries()) {
      process.kill(pid, index % 2 === 0 ? 'SIGTERM' : 'SIGKILL');
    }
    const ends = await Promise.all(clones.map(({ exited }) => exited));
    for (const [index, end] of ends.entries()) {
      expect(end).toEqual({ code: null, signal: index % 2 === 0 ? 'SIGTERM' : 'SIGKILL' });
    }
    await assertNoLeak(before);
  },
);

test('exited tells the exit status of the program', async () => {
  const go = join(await scope.directory(), 'go');
  const shell = await startShell(scope, `while [ ! -e ${go} ]; do sleep 0.02; done; exit 7`);
  const imagePath = await dumpAway(scope, shell);
  const [one, two] = [await cloneOk(scope, imagePath), await cloneOk(scope, imagePath)];
  process.kill(one.pid, 'SIGKILL');
  expect(await one.exited).toEqual({ code: null, signal: 'SIGKILL' });
  writeFileSync(go, '');
  expect(await two.exited).toEqual({ code: 7, signal: null });
});

test('the end of the first process ends the others, and orphans are reaped before', async () => {
  const directory = await scope.directory();
  const [go, made] = [join(directory, 'go'), join(directory, 'made')];
  // Each background process is an orphan, and the first of them ends at once.
  const script = `while [ ! -e ${go} ]; do sleep 0.02; done
    (sleep 0 & echo $! > ${made}.dead) & (sleep 1000 & echo $! > ${made}) & wait; sleep 1000`;
  const imagePath = await dumpAway(scope, await startShell(scope, script));
  const clone = await cloneOk(scope, imagePath);
  writeFileSync(go, '');
  await until('the orphan is there', () => existsSync(made) && readFileSync(made, 'utf8') !== '');
  const namespace = linkTarget(`/proc/${clone.pid}/ns/pid`);
  const states = (): string[] =>
    allProcesses()
      .filter(({ pid }) => linkTarget(`/proc/${pid}/ns/pid`) === namespace)
      .map(({ name, state }) => `${name} ${state}`)
      .sort();
  // A zombie has no namespace to look at, but a parent.
  const orphans = (): string[] =>
    allProcesses()
      .filter(({ parent }) => parent === clone.init)
      .map(({ name, state }) => `${name} ${state === 'Z' ? 'dead' : 'alive'}`)
      .sort();
  await until('the dead are reaped', () => orphans().join() === 'sh alive,sleep alive');
  await until('criu has ended', () => states().length === 4);
  process.kill(clone.pid, 'SIGTERM');
  expect(await clone.exited).toEqual({ code: null, signal: 'SIGTERM' });
  await thereIsNobodyIn(namespace);
});

test('a signal for the first process of the namespace is passed on', async () => {
  const { imagePath } = await imagesOfIdle();
  const clone = await cloneOk(scope, imagePath);
  process.kill(clone.init, 'SIGUSR2');
  expect(await clone.exited).toEqual({ code: null, signal: 'SIGUSR2' });
});

test('a job of a shell becomes a clone in a session of its own', async () => {
  const { pid } = await startWorkload(scope, ['idle'], { session: false });
  const imagePath = join(await scope.directory(), 'images');
  await dump(pid, { imagePath, leaveRunning: true, shellJob: true });
  const [one, two] = [
    await cloneOk(scope, imagePath, { shellJob: true }),
    await cloneOk(scope, imagePath, { shellJob: true }),
  ];
  for (const clone of [one, two]) expect(pidsOf(clone.pid).at(-1)).toBe(pid);
});

test('SIGKILL for the first process of the namespace is told as the end', async () => {
  const { imagePath } = await imagesOfIdle();
  const before = await settledHoldings([], hasSpare);
  const clone = await cloneOk(scope, imagePath);
  process.kill(clone.init, 'SIGKILL');
  expect(await clone.exited).toEqual({ code: null, signal: 'SIGKILL' });
  await assertNoLeak(before);
});

test('a clone outlives the worker thread that restored it, and is reaped nevertheless', async () => {
  const { imagePath } = await imagesOfIdle();
  const code = `
    const { parentPort } = require('node:worker_threads');
    import(${JSON.stringify(distIndex)})
      .then(({ restore }) => restore(${JSON.stringify(imagePath)}, { pidNamespace: 'new' }))
      .then(({ pid }) => parentPort.postMessage(pid));`;
  const worker = new Worker(code, { eval: true });
  const [pid] = (await once(worker, 'message')) as [number];
  const init = processState(pid)?.parent ?? 0;
  await worker.terminate();
  expect(isAlive(pid)).toBe(true);
  process.kill(pid, 'SIGKILL');
  await until('it is reaped', () => processState(init) === undefined);
});

optionTest('hostname', 'is what the clone has for its name', async () => {
  const directory = await scope.directory();
  const [go, out] = [join(directory, 'go'), join(directory, 'out')];
  const script = `while [ ! -e ${go} ]; do sleep 0.02; done; hostname > ${out}; echo >> ${out}; sleep 1000`;
  const imagePath = await dumpAway(scope, await startShell(scope, script));
  await cloneOk(scope, imagePath, { hostname: 'clone-1.example' });
  writeFileSync(go, '');
  await until('it has asked', () => existsSync(out) && readFileSync(out, 'utf8').endsWith('\n\n'));
  expect(readFileSync(out, 'utf8').trim()).toBe('clone-1.example');
  expect(hostname()).not.toBe('clone-1.example');
});

describe('stdio', () => {
  /** A shell that reads a line, and answers on both of its other streams; all of them are one open file. */
  async function imagesOfAnswers(): Promise<string> {
    const directory = await scope.directory();
    const script = `while :; do
      if read line; then echo "out $line"; echo "err $line" >&2; else sleep 0.02; fi; done`;
    const file = join(directory, 'stream');
    writeFileSync(file, '');
    const shell = await startShell(scope, `exec 0<>${file} 1>&0 2>&0; ${script}`);
    await until('it reads', () => linkTarget(`/proc/${shell.pid}/fd/2`) === file);
    return await dumpAway(scope, shell);
  }

  optionTest('stdio', 'gives each stream a pipe, also where they were one file', async () => {
    const imagePath = await imagesOfAnswers();
    const before = await settledHoldings([], hasSpare);
    const clones = [
      await cloneOk(scope, imagePath, { stdio: 'pipe' }),
      await cloneOk(scope, imagePath, { stdio: ['pipe', 'pipe', 'pipe'] }),
    ];
    for (const [index, clone] of clones.entries()) {
      const { stdin, stdout, stderr } = clone;
      stdin?.write(`${index}\n`);
      const [out] = (await once(stdout ?? process, 'data')) as [Buffer];
      const [err] = (await once(stderr ?? process, 'data')) as [Buffer];
      expect([String(out), String(err)]).toEqual([`out ${index}\n`, `err ${index}\n`]);
      await clone.kill();
      stdin?.destroy();
      stdout?.destroy();
      stderr?.destroy();
    }
    expect(readdirSync(imagePath).filter((name) => name.startsWith('.'))).toEqual([]);
    await assertNoLeak(before);
  });

  test('passes over a process that has ended and is not reaped', async () => {
    const shell = await startShell(scope, 'true & exec sleep 1000');
    const children = () => allProcesses().filter(({ parent }) => parent === shell.pid);
    await until('a zombie is there', () => children().some(({ state }) => state === 'Z'));
    const imagePath = await dumpAway(scope, shell);
    const { stdout, kill } = await cloneOk(scope, imagePath, { stdio: 'pipe' });
    expect(stdout).not.toBeNull();
    await kill();
  });

  test('puts a file, /dev/null or what this process has in the place of a stream', async () => {
    const imagePath = await imagesOfAnswers();
    const file = join(await scope.directory(), 'out');
    const fd = openSync(file, 'a');
    const { pid, stdin, stdout, stderr } = await cloneOk(scope, imagePath, {
      stdio: ['ignore', fd, 'inherit'],
    });
    closeSync(fd);
    expect([stdin, stdout, stderr]).toEqual([null, null, null]);
    const targets = [0, 1, 2].map((number) => linkTarget(`/proc/${pid}/fd/${number}`));
    expect(targets).toEqual(['/dev/null', file, linkTarget('/proc/self/fd/2')]);
  });

  test('leaves the others as they are, and gives children what their parent gets', async () => {
    const directory = await scope.directory();
    const file = join(directory, 'log');
    const shell = await startShell(
      scope,
      `exec >> ${file}; (while :; do echo child; sleep 0.05; done) & while :; do sleep 1; done`,
    );
    await until('the child writes', () => existsSync(file) && readFileSync(file).length > 0);
    const imagePath = await dumpAway(scope, shell);
    const clone = await cloneOk(scope, imagePath, { stdio: [undefined, 'pipe'] });
    const [out] = (await once(clone.stdout ?? process, 'data')) as [Buffer];
    expect(String(out)).toMatch(/^child\n/);
    expect([clone.stdin, clone.stderr]).toEqual([null, null]);
    expect(linkTarget(`/proc/${clone.pid}/fd/0`)).toBe('/dev/null');
    clone.stdout?.destroy();
  });

  test('works for Node.js, whose streams were pipes', async () => {
    const script = 'process.stdin.on("data", (text) => console.log("got " + String(text).trim()));';
    const child = spawn(process.execPath, ['-e', script], { detached: true, cwd: '/' });
    const gone = once(child, 'exit');
    scope.defer(async () => {
      child.kill('SIGKILL');
      await gone;
    });
    child.stdin.write('first\n');
    await once(child.stdout, 'data');
    const imagePath = join(await scope.directory(), 'images');
    const external = [0, 1, 2].map((fd) => {
      const inode = /^socket:(\[\d+\])$/.exec(linkTarget(`/proc/${child.pid}/fd/${fd}`) ?? '')?.[1];
      return `unix${inode}`;
    });
    await dump(child.pid ?? 0, { imagePath, leaveRunning: true, external });
    const clone = await cloneOk(scope, imagePath, { stdio: 'pipe' });
    const flags = readFileSync(`/proc/${clone.pid}/fdinfo/0`, 'latin1');
    expect(
      Number.parseInt(/^flags:\s*(\d+)$/m.exec(flags)?.[1] ?? '', 8) & constants.O_NONBLOCK,
    ).not.toBe(0);
    clone.stdin?.write('again\n');
    const [out] = (await once(clone.stdout ?? process, 'data')) as [Buffer];
    expect(String(out)).toBe('got again\n');
    for (const stream of [clone.stdin, clone.stdout, clone.stderr]) stream?.destroy();
  });
});

describe('cgroup', () => {
  /** The cgroups of v1 in which a process is, by their controllers, or that of v2. */
  function cgroupsOf(pid: number): Map<string, string> {
    const lines = readFileSync(`/proc/${pid}/cgroup`, 'latin1').trim().split('\n');
    return new Map(lines.map((line) => line.split(':').slice(1) as [string, string]));
  }

  optionTest('cgroup', 'has the processes, the limits, and an end with the clone', async () => {
    const { imagePath } = await imagesOfIdle();
    const before = await settledHoldings([], hasSpare);
    const path = `/libcriu-${process.pid}-clones/one`;
    const limits = { memoryBytes: 2 ** 28, cpus: 0.5, pids: 100 };
    const clone = await cloneOk(scope, imagePath, { cgroup: { path, ...limits } });
    for (const pid of [clone.pid, clone.init]) {
      const cgroups = cgroupsOf(pid);
      const places = cgroups.size === 1 ? [''] : ['memory', 'pids', 'freezer'];
      for (const place of places) expect(cgroups.get(place), place).toBe(path);
    }
    const read = (v1: string, v2: string): string => {
      const file = [`/sys/fs/cgroup/${v1}`, `/sys/fs/cgroup${v2}`].find((one) => existsSync(one));
      return readFileSync(file ?? '', 'latin1').trim();
    };
    expect(read(`memory${path}/memory.limit_in_bytes`, `${path}/memory.max`)).toBe(String(2 ** 28));
    expect(read(`pids${path}/pids.max`, `${path}/pids.max`)).toBe('100');
    expect(read(`cpu${path}/cpu.cfs_quota_us`, `${path}/cpu.max`)).toMatch(/^50000/);
    process.kill(clone.pid, 'SIGKILL');
    await clone.exited;
    await assertNoLeak(before);
  });

  test('may be there already, is left then, and is not limited anew', async () => {
    const { imagePath } = await imagesOfIdle();
    const cgroup = `/libcriu-${process.pid}-shared`;
    const first = await cloneOk(scope, imagePath, { cgroup });
    const second = await cloneOk(scope, imagePath, { cgroup });
    const limited = { pidNamespace, cgroup: { path: cgroup, pids: 5 } } as const;
    const error = await rejection(restore(imagePath, limited));
    expect(error).toMatchObject({ code: 'ERR_INVALID_ARG_VALUE' });
    expect(error.message).toContain('there already');
    await second.kill();
    expect([...cgroupsOf(first.pid).values()]).toContain(cgroup);
    await first.kill();
  });

  test('goes with a restore that fails', async () => {
    const { imagePath } = await imagesOfIdle();
    const before = await settledHoldings([], hasSpare);
    const error = await restoreFails(imagePath, {
      pidNamespace,
      cgroup: `/libcriu-${process.pid}-fails/inner`,
      hooks: { postRestore: () => Promise.reject(new Error('no')) },
    });
    expect(error.code).toBe('ERR_CRIU_VETOED');
    await assertNoLeak(before);
  });
});

optionTest('endsWithParent', 'ends the clone with the process that restored it', async () => {
  const { imagePath } = await imagesOfIdle();
  const before = await settledHoldings([], hasSpare);
  const script = resolve(projectRoot, 'test/helpers/children/restore.mjs');
  for (const endsWithParent of [false, true]) {
    const given = JSON.stringify({ imagePath, pidNamespace, endsWithParent });
    const { pid } = JSON.parse(await runOk(process.execPath, [script, given])) as { pid: number };
    if (!endsWithParent) process.kill(pid, 'SIGKILL');
    await until('the clone has ended', () => !isAlive(pid));
  }
  await assertNoLeak(before);
});

describe('netNamespace', () => {
  optionTest('netNamespace', 'lets clones of a server have one port', async () => {
    const node = await startNode(
      scope,
      `const server = require('node:http').createServer((_, response) => {
         response.end(String(process.pid));
       });
       server.listen(0, '127.0.0.1', () => ready(server.address().port));`,
    );
    const imagePath = join(await scope.directory(), 'images');
    await dump(node.pid, { imagePath, leaveRunning: true });
    const clones = await Promise.all(
      Array.from({ length: 3 }, () => cloneOk(scope, imagePath, { netNamespace: 'new' })),
    );
    for (const { pid } of clones) {
      expect(await answerIn(pid, node.report)).toBe(String(node.pid));
    }
    const networks = [node, ...clones].map(({ pid }) => linkTarget(`/proc/${pid}/ns/net`));
    expect(new Set(networks).size).toBe(4);
  });

  test('may be that of another process', async () => {
    const { imagePath } = await imagesOfIdle();
    const first = await cloneOk(scope, imagePath, { netNamespace: 'new' });
    const netNamespace = `/proc/${first.pid}/ns/net`;
    const second = await cloneOk(scope, imagePath, { netNamespace });
    expect(linkTarget(`/proc/${second.pid}/ns/net`)).toBe(linkTarget(netNamespace));
    expect(linkTarget(netNamespace)).not.toBe(linkTarget('/proc/self/ns/net'));
  });

  test('may be mounted at a path', async () => {
    const { imagePath } = await imagesOfIdle();
    const netNamespace = join(await scope.directory(), 'network');
    writeFileSync(netNamespace, '');
    const first = await cloneOk(scope, imagePath, { netNamespace: 'new' });
    await runOk('mount', ['--bind', `/proc/${first.pid}/ns/net`, netNamespace]);
    scope.defer(() => run('umount', ['--lazy', netNamespace]));
    const second = await cloneOk(scope, imagePath, { netNamespace });
    expect(linkTarget(`/proc/${second.pid}/ns/net`)).toBe(linkTarget(`/proc/${first.pid}/ns/net`));
  });

  test.each([
    ['/proc/self/ns/uts', 'uts'],
    ['/etc/passwd', 'no namespace'],
    ['/not/there', 'ENOENT'],
  ])('is refused where it is none: %s', async (netNamespace, says) => {
    const { imagePath } = await imagesOfIdle();
    const before = await settledHoldings([], hasSpare);
    const error = await rejection(restore(imagePath, { pidNamespace, netNamespace }));
    expect(error).toMatchObject({ code: 'ERR_INVALID_ARG_VALUE' });
    expect(error.message).toContain(netNamespace);
    expect(error.message).toContain(says);
    await assertNoLeak(before);
  });
});

test('hooks get the pid for this process, and the log is told as it is written', async () => {
  const { imagePath, pid } = await imagesOfIdle();
  const pids: (number | undefined)[] = [];
  const restoring = restore(imagePath, {
    pidNamespace,
    hooks: {
      postRestore: (event) => {
        pids.push(event.pid);
        expect(pidsOf(event.pid ?? 0).at(-1)).toBe(pid);
      },
    },
  });
  const lines: string[] = [];
  for await (const { message } of restoring.log) lines.push(message);
  const clone = await restoring;
  expect(pids).toEqual([clone.pid]);
  expect(lines.length).toBeGreaterThan(10);
  process.kill(clone.pid, 'SIGKILL');
  await clone.exited;
});

test('inheritFd gives a clone a descriptor in place of a file', async () => {
  const directory = await scope.directory();
  const file = join(directory, 'out');
  const other = join(directory, 'other');
  writeFileSync(file, '');
  const shell = await startShell(scope, `exec >> ${file}; while :; do echo tick; sleep 0.02; done`);
  await until('it writes', () => readFileSync(file, 'utf8') !== '');
  const imagePath = await dumpAway(scope, shell);
  const fd = openSync(other, 'w');
  const resource = file.slice(1);
  await cloneOk(scope, imagePath, { inheritFd: [{ fd, resource }] });
  closeSync(fd);
  await until('it writes elsewhere', () => readFileSync(other, 'utf8').includes('tick'));
});

describe('a clone that is not restored leaves nothing', () => {
  test.each<[string, () => RestoreOptions, object]>([
    [
      'a hook vetoes',
      () => ({ hooks: { postRestore: () => Promise.reject(new Error('no')) } }),
      { code: 'ERR_CRIU_VETOED' },
    ],
    [
      'its time is over',
      () => ({ hooks: { postRestore: never }, timeoutMs: 300 }),
      { code: 'ERR_CRIU_TIMEOUT' },
    ],
    [
      'it is aborted',
      () => {
        const controller = new AbortController();
        const abort = (): Promise<never> => {
          setTimeout(() => controller.abort(), 100);
          return never();
        };
        return { hooks: { postRestore: abort }, signal: controller.signal };
      },
      { name: 'AbortError' },
    ],
  ])('because %s', async (_why, options, expected) => {
    const { imagePath } = await imagesOfIdle();
    const before = await settledHoldings([], hasSpare);
    const error = await rejection(restore(imagePath, { ...options(), pidNamespace }));
    expect(error).toMatchObject(expected);
    await assertNoLeak(before);
    await cloneOk(scope, imagePath);
  });

  test('because a file is gone, which CRIU says', async () => {
    const directory = await scope.directory();
    const holder = await startWorkload(scope, ['count', join(directory, 'log'), 5000]);
    const imagePath = await dumpAway(scope, holder);
    unlinkSync(join(directory, 'log'));
    const before = await settledHoldings([], hasSpare);
    const error = await restoreFails(imagePath, { pidNamespace });
    expect(error.code).toBe('ERR_CRIU_FAILED');
    expect(error.message).toMatch(/log/);
    expect(error.logFile).toBe(join(imagePath, 'restore.log'));
    expect(existsSync(error.logFile ?? '')).toBe(true);
    await assertNoLeak(before);
  });

  test('because somebody kills criu, or the first process of the namespace', async () => {
    const { imagePath } = await imagesOfIdle();
    const before = await settledHoldings([], hasSpare);
    for (const which of ['criu', 'criu_init']) {
      const error = await failureOf(
        restore(imagePath, {
          pidNamespace,
          hooks: {
            postRestore: async ({ pid = 0 }) => {
              const init = processState(pid)?.parent ?? 0;
              const criu = allProcesses().find(
                ({ name, parent }) => name === 'criu' && parent === init,
              );
              process.kill(which === 'criu' ? (criu?.pid ?? 0) : init, 'SIGKILL');
              await never();
            },
          },
        }),
      );
      expect(error).toMatchObject({ code: 'ERR_CRIU_DIED' });
    }
    await assertNoLeak(before);
  });
});

describe('the pids of images', () => {
  test('may be the lowest ones', async () => {
    const directory = await scope.directory();
    const imagePath = join(directory, 'images');
    const script = `
      const { spawn } = require('node:child_process');
      const child = spawn('sleep', ['1000'], { detached: true, stdio: 'ignore', cwd: '/' });
      import(${JSON.stringify(distIndex)}).then(async ({ dump }) => {
        await dump(child.pid, { imagePath: ${JSON.stringify(imagePath)} });
        console.log(child.pid);
        process.exit(0);
      });`;
    const inside = ['--pid', '--fork', '--mount-proc', process.execPath, '-e', script];
    const pid = Number(await runOk('unshare', inside));
    expect(pid).toBeLessThan(100);
    const clone = await cloneOk(scope, imagePath);
    expect(pidsOf(clone.pid).at(-1)).toBe(pid);
  });

  test('must not begin with 1, which is told', async () => {
    const inside = ['setsid', 'sh', '-c', 'exec sleep 1000 <>/dev/null >&0 2>&0'];
    const child = spawn('unshare', ['--pid', '--fork', '--mount-proc', '--kill-child', ...inside], {
      stdio: 'ignore',
      cwd: '/',
    });
    const gone = once(child, 'exit');
    scope.defer(async () => {
      child.kill('SIGKILL');
      await gone;
    });
    const sleeper = await until('it sleeps', () =>
      allProcesses().find(({ name, parent }) => name === 'sleep' && parent === child.pid),
    );
    const imagePath = join(await scope.directory(), 'images');
    await dump(sleeper.pid, { imagePath, leaveRunning: true });
    const before = await settledHoldings([], hasSpare);
    const error = await restoreFails(imagePath, { pidNamespace });
    expect(error).toMatchObject({ code: 'ERR_NOT_RESTORABLE', operation: 'restore' });
    expect(error.message).toContain('pid namespace of their own');
    await assertNoLeak(before);
  });
});
