import { spawn } from 'node:child_process';
import {
  closeSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  writeFileSync,
} from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { CriuError } from '../../../lib/base/errors.js';
import type { Outside } from '../../../lib/cli/command.js';
import { isOwnedByNode } from '../../../lib/cli/descriptor.js';
import { run } from '../../../lib/cli/program.js';
import { inFlags } from '../../../lib/cli/wording.js';
import type { CheckpointResult } from '../../../lib/container/checkpoint.js';
import { optionsOf } from '../../../lib/options/calls.js';
import type { CheckpointOptions } from '../../../lib/options/types.js';
import { validateOptions } from '../../../lib/options/validate.js';
import { useScope } from '../../helpers/scope.js';
import { until } from '../../helpers/system/exec.js';

const scope = useScope();

interface Ran {
  status: number;
  stdout: string;
  stderr: string;
  /** What checkpoint was called with. */
  called: { id: string; options: CheckpointOptions } | undefined;
}

const result: Omit<CheckpointResult, 'containerId' | 'imagePath'> = {
  pid: 7,
  logFile: '/images/dump.log',
  stats: undefined,
  timings: {
    queuedMs: 0,
    workerReadyMs: 0,
    freezeMs: 0,
    criuMs: 0,
    thawMs: 0,
    destroyMs: 0,
    pauseMs: 0,
  },
  durationMs: 12.345,
  warnings: [],
};

/** A path of the pipe that a process has another process write to. */
async function pipeOfChild(parent: number): Promise<string> {
  const children = `/proc/${parent}/task/${parent}/children`;
  let found: string | undefined;
  await until('the pipe is there', () => {
    const outputs = readFileSync(children, 'utf8').split(' ').filter(Boolean);
    found = outputs
      .map((pid) => `/proc/${pid}/fd/1`)
      .find((path) => readlinkSync(path).startsWith('pipe:'));
    return found !== undefined;
  });
  return found ?? '';
}

/** Runs the command in a world where a checkpoint ends as is said here, or well. */
async function libcriu(
  args: readonly string[],
  ends: (options: CheckpointOptions) => Promise<Partial<CheckpointResult>> = async () => ({}),
  outside: Partial<Outside> & { tty?: boolean } = {},
): Promise<Ran> {
  const ran: Ran = { status: -1, stdout: '', stderr: '', called: undefined };
  ran.status = await run(args, {
    stdout: { write: (text) => (ran.stdout += text) },
    stderr: { write: (text) => (ran.stderr += text), isTTY: outside.tty },
    version: '1.2.3',
    // The options are validated as the real one does it.
    checkpoint: async (id, options) => {
      validateOptions('checkpoint', options);
      const { signal: _, ...given } = options;
      ran.called = { id, options: given };
      return { ...result, containerId: id, imagePath: '/images', ...(await ends(options)) };
    },
    onInterrupt: () => () => {},
    ...outside,
  });
  return ran;
}

/** The options of a command line that succeeds in silence. */
async function optionsFor(...args: string[]): Promise<CheckpointOptions> {
  const { status, stdout, stderr, called } = await libcriu(args);
  expect({ status, stdout, stderr, id: called?.id }).toEqual({
    status: 0,
    stdout: '',
    stderr: '',
    id: 'web',
  });
  return called?.options ?? {};
}

/** The sentence of a command line that is refused before anything is done. */
async function refusalOf(...args: string[]): Promise<string> {
  const { status, stdout, stderr, called } = await libcriu(args);
  expect({ status, stdout, called }).toEqual({ status: 1, stdout: '', called: undefined });
  const match =
    /^time="\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ" level=error msg=("(?:[^"\\\n]|\\.)*")\n$/.exec(stderr);
  expect(stderr).toMatch(match ? '' : 'one line of text');
  return JSON.parse(match?.[1] ?? '""') as string;
}

describe('flags of checkpoint', () => {
  const reuse = { existing: 'reuse' };

  test("none: runc's way with what is in the directory", async () => {
    expect(await optionsFor('checkpoint', 'web')).toEqual(reuse);
  });

  test("all of runc's", async () => {
    const status = openSync('/dev/null', 'w');
    scope.defer(() => closeSync(status));
    const options = await optionsFor(
      'checkpoint',
      ...['--image-path', '/i', '--work-path=/w', '--parent-path', '../p', '--leave-running'],
      ...['--tcp-established', '--tcp-skip-in-flight', '--link-remap', '--ext-unix-sk'],
      ...['--shell-job', '--lazy-pages', '--status-fd', String(status)],
      ...['--page-server', '[::1]:27', '--file-locks', '--manage-cgroups-mode=strict'],
      ...['--empty-ns', 'network', '--auto-dedup', 'web'],
    );
    expect(options).toEqual({
      ...reuse,
      imagePath: '/i',
      workPath: '/w',
      parentPath: '../p',
      leaveRunning: true,
      tcpEstablished: true,
      tcpSkipInFlight: true,
      linkRemap: true,
      extUnixSk: true,
      shellJob: true,
      lazyPages: true,
      statusFd: status,
      pageServer: '[::1]:27',
      fileLocks: true,
      manageCgroupsMode: 'strict',
      emptyNs: ['network'],
      autoDedup: true,
    });
    expect(await optionsFor('checkpoint', '--pre-dump', 'web')).toEqual({
      ...reuse,
      preDump: true,
    });
  });

  test('those beyond', async () => {
    const options = await optionsFor(
      'checkpoint',
      ...['--network-lock', 'nftables', '--timeout-ms', '5000', '--ghost-limit', '2M'],
      ...['--external', 'mnt[/a]:a', '--external=dev[8/1]:b', '--freezer', 'ptrace'],
      ...['--cgroup-root', '/all', '--cgroup-root', 'cpu:/one', '--cgroup-root', 'name=systemd:/s'],
      ...['--criu-log-level', '2', '--criu-log-file', 'my.log', '--existing', 'replace', 'web'],
    );
    expect(options).toEqual({
      networkLock: 'nftables',
      timeoutMs: 5000,
      ghostLimit: 2 * 1024 * 1024,
      external: ['mnt[/a]:a', 'dev[8/1]:b'],
      freezer: 'ptrace',
      cgRoots: [
        { path: '/all' },
        { controller: 'cpu', path: '/one' },
        { controller: 'name=systemd', path: '/s' },
      ],
      logLevel: 2,
      logFile: 'my.log',
      existing: 'replace',
    });
  });

  test('every boolean can be given, and be given as false', async () => {
    for (const { name, type, flag } of optionsOf('checkpoint')) {
      if (type !== 'boolean' || ['lazyPages', 'tls', 'tlsNoCnVerify'].includes(name)) {
        continue; // these need company
      }
      expect(await optionsFor('checkpoint', `--${flag}`, 'web')).toEqual({
        ...reuse,
        [name]: true,
      });
      for (const word of ['false', 'F', '0']) {
        const options = await optionsFor('checkpoint', `-${flag}=${word}`, 'web');
        expect(options).toEqual({ ...reuse, [name]: false });
      }
    }
  });

  test('with one dash, behind the id, and given twice, as runc reads them', async () => {
    const runcs = ['checkpoint', '-leave-running', '-image-path=/a', 'web', '--image-path', '/b'];
    expect(await optionsFor(...runcs)).toEqual({ ...reuse, leaveRunning: true, imagePath: '/b' });
  });

  test('empty ones are none, as scripts pass unset variables', async () => {
    const empty = [
      '--work-path',
      '',
      '--parent-path=',
      '--page-server',
      '',
      '--manage-cgroups-mode=',
    ];
    expect(await optionsFor('checkpoint', ...empty, 'web')).toEqual(reuse);
  });

  test('-- ends them', async () => {
    const { called } = await libcriu(['checkpoint', '--leave-running', '--', '-leave-running']);
    expect(called).toEqual({ id: '-leave-running', options: { ...reuse, leaveRunning: true } });
  });

  test('a value may look like a flag when = binds it', async () => {
    const options = await optionsFor('checkpoint', '--image-path=--leave-running', 'web');
    expect(options).toEqual({ ...reuse, imagePath: '--leave-running' });
  });
});

describe('global flags', () => {
  test('--root is absolute', async () => {
    expect(await optionsFor('--root', 'state', 'checkpoint', 'web')).toMatchObject({
      stateRoot: resolve('state'),
    });
  });

  test("what runc's callers pass besides is taken", async () => {
    const args = ['--systemd-cgroup', '--rootless=auto', '--log-format', 'json', '--log', ''];
    expect(await optionsFor(...args, 'checkpoint', 'web')).toEqual({ existing: 'reuse' });
  });

  test.each([[['--version']], [['-v']], [['-version']]])('%j', async (args) => {
    expect(await libcriu(args)).toMatchObject({ status: 0, stdout: 'libcriu version 1.2.3\n' });
  });

  test.each([[[]], [['--help']], [['-h']], [['help']], [['h']], [['--help', 'checkpoint']]])(
    'help for %j',
    async (args) => {
      const { status, stdout, stderr } = await libcriu(args);
      expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
      for (const word of ['checkpoint', '--root DIR', '--log-format text|json', '--version, -v']) {
        expect(stdout).toContain(word);
      }
    },
  );

  test.each([
    [['checkpoint', '--help']],
    [['checkpoint', '-h']],
    [['checkpoint', '--image-path', 'x', 'web', '-help']],
    [['help', 'checkpoint']],
  ])('help of the command for %j', async (args) => {
    const { status, stdout, stderr, called } = await libcriu(args);
    expect({ status, stderr, called }).toEqual({ status: 0, stderr: '', called: undefined });
    for (const { flag } of optionsOf('checkpoint')) {
      if (flag !== undefined) expect(stdout).toMatch(new RegExp(`^ {3}--${flag}\\b`, 'm'));
    }
    // In the words of the command: no option is called by its JavaScript name.
    for (const { name } of optionsOf('checkpoint')) {
      if (/[A-Z]/.test(name)) expect(stdout).not.toMatch(new RegExp(`\\b${name}\\b`));
    }
    for (const line of stdout.split('\n')) expect(line.length).toBeLessThanOrEqual(80);
  });

  test("help of the command tells its own default of what it does not share with the API's", async () => {
    const { stdout } = await libcriu(['checkpoint', '--help']);
    const [, of = ''] = /^ {3}--existing (.*?)^ {3}--/ms.exec(stdout) ?? [];
    expect(of).toContain('refuse|replace|reuse');
    expect(of).toContain('(default: reuse)');
    expect(await optionsFor('checkpoint', '--existing', 'refuse', 'web')).toEqual({
      existing: 'refuse',
    });
  });
});

describe('bad command lines', () => {
  const server = ['--lazy-pages', '--page-server', '10.0.0.1:27'];
  test.each<[string[], string[]]>([
    [['checkpoint'], ['container id', 'received 0']],
    [
      ['checkpoint', 'a', 'b'],
      ['container id', "received 2: 'a', 'b'"],
    ],
    [
      ['chekpoint', 'web'],
      ["'chekpoint'", 'did you mean checkpoint?'],
    ],
    [['frobnicate'], ["'frobnicate'"]],
    [['help', 'frobnicate'], ["'frobnicate'"]],
    [
      ['--rot', '/x', 'checkpoint', 'web'],
      ["'--rot'", 'did you mean --root?'],
    ],
    [
      ['checkpoint', '--leave-runing', 'web'],
      ["'--leave-runing'", 'did you mean --leave-running?'],
    ],
    [
      ['checkpoint', '--leaveRunning=true', 'web'],
      ["'--leaveRunning'", '--leave-running?'],
    ],
    [['checkpoint', '-xyz', 'web'], ["'-xyz'"]],
    [['checkpoint', '-x', 'web'], ["'-x'"]],
    [
      ['checkpoint', '--root', '/x', 'web'],
      ['--root', 'before the command'],
    ],
    [
      ['checkpoint', '-debug', 'web'],
      ['-debug', 'before the command'],
    ],
    [
      ['checkpoint', '--leave-running=maybe', 'web'],
      ['--leave-running', "'maybe'"],
    ],
    [
      ['checkpoint', '--leave-running=', 'web'],
      ['--leave-running', "''"],
    ],
    [
      ['checkpoint', 'web', '--image-path'],
      ['--image-path', 'value'],
    ],
    [
      ['checkpoint', '--image-path', '--leave-running', 'web'],
      ['--image-path', '--leave-running'],
    ],
    [
      ['checkpoint', '--image-path', '-leave-running', 'web'],
      ['--image-path', '-leave-running'],
    ],
    [
      ['checkpoint', '--image-path', '', 'web'],
      ['--image-path', "''"],
    ],
    [
      ['--log-format', 'xml', 'checkpoint', 'web'],
      ['--log-format', "'xml'"],
    ],
    [
      ['--log', '/nowhere/at/all', 'checkpoint', 'web'],
      ['--log', "'/nowhere/at/all'", 'ENOENT'],
    ],
    [
      ['--root', '', 'checkpoint', 'web'],
      ['--root', "''"],
    ],
    [
      ['--root', '/', 'checkpoint', 'web'],
      ['--root', "'/'"],
    ],
    [
      ['--root', '/run/..', 'checkpoint', 'web'],
      ['--root', "'/run/..'"],
    ],
    [
      ['checkpoint', '--page-server', '10.0.0.1', 'web'],
      ['--page-server', "'10.0.0.1'"],
    ],
    [
      ['checkpoint', '--page-server', '10.0.0.1:0', 'web'],
      ['--page-server', "'10.0.0.1:0'"],
    ],
    [
      ['checkpoint', '--page-server=10.0.0.1:70000', 'web'],
      ['--page-server', '70000'],
    ],
    [
      ['checkpoint', '--page-server', '10.0.0.1:text', 'web'],
      ['--page-server', 'text'],
    ],
    [
      ['checkpoint', '--page-server', '::1:27', 'web'],
      ['--page-server', 'brackets'],
    ],
    [
      ['checkpoint', '--status-fd', 'x', ...server, 'web'],
      ['--status-fd', "'x'"],
    ],
    [
      ['checkpoint', '--status-fd', '', ...server, 'web'],
      ['--status-fd', "''"],
    ],
    [
      ['checkpoint', '--status-fd', '-1', ...server, 'web'],
      ['--status-fd', '-1'],
    ],
    [
      ['checkpoint', '--status-fd', '9999', ...server, 'web'],
      ['--status-fd', '9999', 'not open'],
    ],
    [
      ['checkpoint', '--status-fd', '1', 'web'],
      ['--status-fd 1', '--lazy-pages'],
    ],
    [
      ['checkpoint', '--lazy-pages', 'web'],
      ['--lazy-pages', '--page-server'],
    ],
    [
      ['checkpoint', '--parent-path', '/abs', 'web'],
      ['--parent-path', "'/abs'"],
    ],
    [
      ['checkpoint', '--manage-cgroups-mode', 'x', 'web'],
      ['--manage-cgroups-mode', "'x'", "'soft'"],
    ],
    [
      ['checkpoint', '--empty-ns', 'pid', 'web'],
      ['--empty-ns', "'pid'", "'network'"],
    ],
    [
      ['checkpoint', '--ghost-limit', '1T', 'web'],
      ['--ghost-limit', "'1T'"],
    ],
    [
      ['checkpoint', '--timeout-ms', '1K', 'web'],
      ['--timeout-ms', "'1K'"],
    ],
    [
      ['checkpoint', '--external', 'x', 'web'],
      ['--external', "'x'"],
    ],
    [
      ['checkpoint', '--cgroup-root', 'x', 'web'],
      ['--cgroup-root', "'x'"],
    ],
    [
      ['checkpoint', '--pre-dump-mode', 'read', 'web'],
      ['--pre-dump-mode', '--pre-dump'],
    ],
    [
      ['checkpoint', '--criu-log-file', '../x', 'web'],
      ['--criu-log-file', "'../x'"],
    ],
  ])('%j', async (args, says) => {
    const sentence = await refusalOf(...args);
    for (const part of says) expect(sentence).toContain(part);
    // No JavaScript in it.
    expect(sentence).not.toMatch(/of type|imagePath|statusFd|pageServer|\[\d\]/);
  });

  test("a descriptor of Node's own is not one that was handed down", async () => {
    const poller = readdirSync('/proc/self/fd').find((fd) => {
      try {
        return readlinkSync(`/proc/self/fd/${fd}`) === 'anon_inode:[eventpoll]';
      } catch {
        return false;
      }
    });
    const sentence = await refusalOf('checkpoint', '--status-fd', poller ?? '', ...server, 'web');
    expect(sentence).toContain(`--status-fd but received ${poller}: it is not open`);
  });
});

describe('descriptors', () => {
  test('a file, and a pipe of which one end is here, were handed down', async () => {
    const file = openSync(join(await scope.directory(), 'status'), 'w');
    scope.defer(() => closeSync(file));
    expect(isOwnedByNode(file)).toBe(false);
    // Of this pipe both ends are elsewhere, until one is opened here.
    const shell = spawn('sh', ['-c', 'sleep 60 | cat; :'], { stdio: 'ignore', detached: true });
    scope.defer(() => process.kill(-(shell.pid ?? 0), 'SIGKILL'));
    const pipe = await pipeOfChild(shell.pid ?? 0);
    const writing = openSync(pipe, 'w');
    scope.defer(() => closeSync(writing));
    expect(isOwnedByNode(writing)).toBe(false);
    const reading = openSync(pipe, 'r');
    scope.defer(() => closeSync(reading));
    expect(isOwnedByNode(writing)).toBe(true);
  });

  test('one that is not open belongs to nobody', () => {
    expect(isOwnedByNode(9999)).toBe(false);
  });
});

describe('how it ends', () => {
  const failure = new CriuError('ERR_CRIU_FAILED', 'CRIU failed: locks are held', {
    operation: 'checkpoint',
    stage: 'network-lock',
    errno: 52,
    log: ['Error (criu/file-lock.c:110): Some file locks are hold'],
    logFile: '/images/dump.log',
  });
  const fail = async (): Promise<never> => {
    throw failure;
  };

  test('a failure is one line and status 1', async () => {
    const { status, stdout, stderr } = await libcriu(['checkpoint', 'web'], fail);
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
    expect(stderr).toMatch(/^time="[^"]+" level=error msg="CRIU failed: locks are held"\n$/);
  });

  test('on a terminal it is what runc prints there', async () => {
    const { stderr } = await libcriu(['checkpoint', 'web'], fail, { tty: true });
    expect(stderr).toBe('ERRO[0000] CRIU failed: locks are held\n');
  });

  test("--debug adds CRIU's words, the code, the stage and the log's place", async () => {
    const { status, stderr } = await libcriu(['--debug', 'checkpoint', 'web'], fail);
    expect(status).toBe(1);
    const lines = stderr.trimEnd().split('\n');
    expect(lines[0]).toContain('level=error msg="CRIU failed: locks are held"');
    for (const line of lines.slice(1)) expect(line).toContain('level=debug');
    for (const part of ['Some file locks are hold', 'ERR_CRIU_FAILED', 'network-lock', '52']) {
      expect(stderr).toContain(part);
    }
    expect(stderr).toContain('/images/dump.log');
  });

  test('--log takes the lines to a file, behind what it has, and stderr keeps the sentence', async () => {
    const log = join(await scope.directory(), 'log');
    writeFileSync(log, 'before\n');
    const args = ['--log', log, '--log-format=json', '--debug', 'checkpoint', 'web'];
    const { stderr } = await libcriu(args, fail);
    expect(stderr).toBe('CRIU failed: locks are held\n');
    const [before, ...lines] = readFileSync(log, 'utf8').trimEnd().split('\n');
    expect(before).toBe('before');
    const entries = lines.map((line) => JSON.parse(line) as Record<string, string>);
    expect(entries.map(({ level }) => level)).toEqual(['error', 'debug', 'debug', 'debug']);
    expect(entries[0]).toEqual({
      level: 'error',
      msg: 'CRIU failed: locks are held',
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/) as string,
    });
  });

  test('--log-format json without a file is JSON on stderr', async () => {
    const { stderr } = await libcriu(['--log-format', 'json', 'checkpoint', 'web'], fail);
    expect(JSON.parse(stderr)).toMatchObject({
      level: 'error',
      msg: 'CRIU failed: locks are held',
    });
  });

  test('an error of many lines, with control characters, is one line', async () => {
    const { stderr } = await libcriu(
      ['checkpoint', 'web'],
      async () => {
        throw new Error('first\n  second \u001b[31m third\r\n');
      },
      { tty: true },
    );
    expect(stderr).toBe('ERRO[0000] first second ?[31m third\n');
  });

  test('what is thrown and no Error is told too', async () => {
    const { status, stderr } = await libcriu(['checkpoint', 'web'], () => Promise.reject('why'));
    expect(status).toBe(1);
    expect(stderr).toContain('msg="why"');
  });

  test('a success with warnings is a success', async () => {
    const { status, stderr } = await libcriu(['checkpoint', 'web'], async () => ({
      warnings: ['a hook failed', 'a cgroup stays'],
    }));
    expect(status).toBe(0);
    expect(stderr.split('\n').map((line) => /level=(\w+) msg=(.*)/.exec(line)?.slice(1))).toEqual([
      ['warning', '"a hook failed"'],
      ['warning', '"a cgroup stays"'],
      undefined,
    ]);
  });

  test('--debug tells of a success', async () => {
    const { status, stderr } = await libcriu(['--debug', 'checkpoint', 'web']);
    expect(status).toBe(0);
    expect(stderr).toMatch(
      /level=debug msg="checkpoint of web \(pid 7\) in \/images after 12\.3 ms/,
    );
  });
});

describe('an interrupt', () => {
  function interrupts(): {
    onInterrupt: Outside['onInterrupt'];
    raise(name: string): void;
    listening(): boolean;
  } {
    let listener: ((name: string) => void) | undefined;
    return {
      onInterrupt: (added) => {
        listener = added;
        return () => {
          listener = undefined;
        };
      },
      raise: (name) => listener?.(name),
      listening: () => listener !== undefined,
    };
  }

  test('aborts the checkpoint, and the first one is named', async () => {
    const { onInterrupt, raise, listening } = interrupts();
    const { status, stderr } = await libcriu(
      ['checkpoint', 'web'],
      async ({ signal }) => {
        raise('SIGTERM');
        raise('SIGINT');
        expect(signal?.aborted).toBe(true);
        throw Object.assign(new Error('The operation was aborted'), { code: 'ABORT_ERR' });
      },
      { onInterrupt },
    );
    expect(status).toBe(1);
    expect(stderr).toContain(
      'The checkpoint of web was given up at SIGTERM; the container goes on',
    );
    expect(listening()).toBe(false);
  });

  test('that comes too late changes nothing', async () => {
    const { onInterrupt, raise, listening } = interrupts();
    const ended = await libcriu(
      ['checkpoint', 'web'],
      async () => {
        raise('SIGINT');
        return {};
      },
      { onInterrupt },
    );
    expect(ended).toMatchObject({ status: 0, stderr: '' });
    expect(listening()).toBe(false);
  });

  test('does not hide another failure', async () => {
    const { onInterrupt, raise } = interrupts();
    const { stderr } = await libcriu(
      ['checkpoint', 'web'],
      async () => {
        raise('SIGINT');
        throw new CriuError('ERR_CRIU_DIED', 'criu ended without an answer');
      },
      { onInterrupt },
    );
    expect(stderr).toContain('criu ended without an answer');
  });
});

describe('sentences of the API in the words of the command', () => {
  test.each([
    [
      "The directory of imagePath /a/imagePath/b is not empty; give a fresh one, or existing: 'replace'",
      'The directory of --image-path /a/imagePath/b is not empty; give a fresh one, or --existing replace',
    ],
    [
      "Expected the path of a directory relative to imagePath for parentPath but received 'imagePath' of type string: it is missing",
      "Expected the path of a directory relative to --image-path for --parent-path but received 'imagePath': it is missing",
    ],
    [
      "Expected a string for external[12] but received 'external' of type string",
      "Expected a string for --external but received 'external'",
    ],
    [
      'Expected an absolute path for cgRoots[0].path but received 7 of type number',
      'Expected an absolute path for --cgroup-root but received 7',
    ],
    [
      "Expected a container id for id but received '..' of type string",
      "Expected a container id for <container-id> but received '..'",
    ],
    ["CRIU's external mount at the root's freezer", "CRIU's external mount at the root's freezer"],
    ["CRIU's log and runc's preDump", "CRIU's log and runc's --pre-dump"],
    ['timeoutMs 100 is over', '--timeout-ms 100 is over'],
    [
      'Cannot write to workPath "/a workPath b" (EACCES)',
      'Cannot write to --work-path "/a workPath b" (EACCES)',
    ],
  ])('%s', (sentence, expected) => {
    expect(inFlags(sentence)).toBe(expected);
  });
});
