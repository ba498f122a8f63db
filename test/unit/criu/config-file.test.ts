import { chmodSync, chownSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { checkConfigFile, parseConfig } from '../../../lib/criu/config-file.js';
import { configWords } from '../../../lib/criu/config-words.js';
import { requireNeeds } from '../../helpers/needs.js';
import { failureOf } from '../../helpers/rejection.js';
import { useScope } from '../../helpers/scope.js';
import { sleep } from '../../helpers/system/exec.js';

const scope = useScope();
let file = '';
beforeAll(() => requireNeeds('root'));
beforeEach(async () => {
  file = join(await scope.directory(), 'criu.conf');
});

const write = (...lines: readonly string[]): void => writeFileSync(file, `${lines.join('\n')}\n`);

/** Lines of which each would have CRIU do something else than what it was asked for. */
const changing = [
  'tree 1',
  'leave-stopped',
  'leave-running',
  'restore-detached',
  'restore-sibling',
  'daemon',
  'work-dir /tmp',
  'prev-images-dir ../other',
  'auto-dedup',
  'stream',
  'page-server',
  'address 0.0.0.0',
  'port 27000',
  'lazy-pages',
  'freeze-cgroup /sys/fs/cgroup/freezer/other',
  'pidfile /run/pid',
  'exec-cmd',
  'ps-socket 3',
  'status-fd 3',
  'inherit-fd fd[3]:x',
  'close 3',
  'help',
  'version',
  'feature mem_dirty_track',
  'ms',
];

/** The same, as getopt() and CRIU's parser understand them too. */
const disguised = [
  'lazy-p',
  'leave-r   # a comment',
  '  leave-running',
  '\tpage-server',
  'work-dir=/tmp',
  'work-d=/tmp',
  'prev "../other"',
  'tree "1" # a comment',
];

/** Lines that CRIU does not know, or takes for something else than what they seem to be. */
const unreadable = [
  'nonsense',
  'tcp_established',
  'Lazy-pages',
  '--tcp-close',
  'tcp-close\r',
  'tls-c',
  'tcp-established -D/tmp',
  'verbosity --lazy-pages',
  'log-file',
  'log-file # a name',
  'tcp-close=1',
  'external "mnt[/a]:a',
  'external "a" b c',
  'external a b c',
  'no-external a',
  'no-leave-running',
];

const obeyed = [
  '',
  '   ',
  '# lazy-pages',
  '   # lazy-pages',
  '\0lazy-pages',
  'tcp-established',
  'tcp-est',
  'no-tcp-close',
  'log-file mine.log',
  'verbosity 4',
  'network-lock skip',
  'external "mnt[/a b]:a"',
  'external mnt[/a]:\\"a\\" # comment',
  'skip-mnt\t/proc',
  'lsm-profile "selinux:something"',
  'tls',
];

describe('checkConfigFile refuses, whenever the file is read,', () => {
  test.each([...changing, ...disguised, ...unreadable])('the line %j', async (line) => {
    for (const turn of ['before', 'after'] as const) {
      write('# A comment.', 'tcp-established', line);
      const error = await failureOf(checkConfigFile(file, turn));
      expect(error).toMatchObject({ name: 'CriuError', code: 'ERR_CRIU_CONFIG' });
      expect(error.message).toMatch(
        /^The word ".*" in line 3 of CRIU's configuration file [^\n]+$/,
      );
      expect(error.message).toContain(file);
    }
  });
});

describe('checkConfigFile refuses in a file that overrides the request', () => {
  test.each([
    'images-dir /tmp',
    'images=/tmp',
    'no-page-server',
    'no-auto-dedup',
    'no-restore-sibling',
    'no-tls',
    'log-file pages-1.img',
    'log-file tmp-x',
    'log-file ../mine.log',
  ])('the line %j', async (line) => {
    write(line);
    expect(await failureOf(checkConfigFile(file, 'after'))).toMatchObject({
      code: 'ERR_CRIU_CONFIG',
    });
    expect(await checkConfigFile(file, 'before')).toMatchObject({ logFile: undefined });
  });
});

describe('checkConfigFile refuses a log outside of the directories', () => {
  const outerLog = (...path: string[]): string => join(file, '..', ...path);
  const failure = async (log: string): Promise<Error> => {
    write(`log-file ${log}`);
    return await failureOf(checkConfigFile(file, 'after'));
  };

  test('that could not be opened', async () => {
    mkdirSync(outerLog('directory'));
    writeFileSync(outerLog('file'), '');
    for (const [log, why] of [
      [outerLog('directory'), 'which is a directory and no regular file'],
      ['/dev/null', 'which is a device and no regular file'],
      [outerLog('missing', 'criu.log'), 'whose directory is not there'],
      [outerLog('file', 'criu.log'), 'which leads nowhere (ENOTDIR)'],
    ] as const) {
      const error = await failure(log);
      expect(error).toMatchObject({ code: 'ERR_CRIU_CONFIG' });
      expect(error.message).toContain(`names ${log}, ${why}: remove it`);
    }
  });

  test('where another user could put something in its place', async () => {
    mkdirSync(outerLog('shared'));
    chmodSync(outerLog('shared'), 0o777);
    expect(await failure(outerLog('shared', 'criu.log'))).toMatchObject({
      code: 'ERR_UNTRUSTED_PATH',
    });
    chmodSync(outerLog('shared'), 0o1777);
    expect(await failure(outerLog('shared', 'criu.log'))).toMatchObject({
      code: 'ERR_UNTRUSTED_PATH',
    });
  });

  test('at each look, and none that can be written', async () => {
    const log = outerLog('criu.log');
    write(`log-file ${log}`);
    await sleep(50);
    expect(await checkConfigFile(file, 'after')).toMatchObject({ logFile: log });
    writeFileSync(log, '');
    expect(await checkConfigFile(file, 'after')).toMatchObject({ logFile: log });
    rmSync(log);
    mkdirSync(log);
    await expect(checkConfigFile(file, 'after')).rejects.toMatchObject({ code: 'ERR_CRIU_CONFIG' });
  });
});

describe('checkConfigFile', () => {
  test.each(obeyed)('obeys the line %j', async (line) => {
    for (const turn of ['before', 'after'] as const) {
      write(line);
      await checkConfigFile(file, turn);
    }
  });

  test('tells the name of the log that the file gives it after the request', async () => {
    for (const line of ['log-file mine.log', 'log-file=mine.log', 'log-file "mine.log" # why']) {
      write('log-file first.log', line);
      expect(await checkConfigFile(file, 'after')).toMatchObject({ logFile: 'mine.log' });
      expect(await checkConfigFile(file, 'before')).toMatchObject({ logFile: undefined });
    }
  });

  test('decides on each word that changes something, and on no other', () => {
    const refused = configWords.flatMap(({ name, changes }) => (changes ? [name] : []));
    const told = changing.map((line) => line.split(' ', 1)[0] ?? '');
    expect(refused.sort()).toEqual([...told, 'images-dir'].sort());
  });

  test('reads a file again when it, or what it lay in, has changed', async () => {
    const text = async (): Promise<string | undefined> =>
      (await checkConfigFile(file, 'before')).text;
    write('tcp-established');
    await sleep(50);
    for (let look = 0; look < 3; look++) expect(await text()).toBe('tcp-established\n');
    write('tcp-establishe', 'd');
    await expect(text()).rejects.toMatchObject({ code: 'ERR_CRIU_CONFIG' });
    rmSync(file);
    await sleep(50);
    for (let look = 0; look < 3; look++) expect(await text()).toBeUndefined();
    write('shell-job');
    expect(await text()).toBe('shell-job\n');
    chownSync(file, 1000, 1000);
    await expect(text()).rejects.toMatchObject({ code: 'ERR_UNTRUSTED_PATH' });
  });

  test('takes a missing file for an empty one', async () => {
    expect(await checkConfigFile(file, 'after')).toMatchObject({ logFile: undefined });
    expect(await checkConfigFile(join(file, 'below'), 'after')).toMatchObject({
      logFile: undefined,
    });
  });

  test('refuses what is no file', async () => {
    mkdirSync(file);
    const error = await failureOf(checkConfigFile(file, 'before'));
    expect(error).toMatchObject({ code: 'ERR_CRIU_CONFIG' });
    expect(error.message).toContain(`${file} cannot be read: it is not a regular file`);
  });
});

describe('checkConfigFile tells of a missing file that', () => {
  const nothing = { text: undefined, logFile: undefined, locksNetwork: false };

  test.each<[string, number, boolean]>([
    ['nobody else can make one', 0o755, false],
    ['every user can make one', 0o777, true],
    ['every user can make one in a directory with the sticky bit', 0o1777, true],
  ])('%s', async (_what, mode, canBePlanted) => {
    chmodSync(join(file, '..'), mode);
    expect(await checkConfigFile(file, 'before')).toEqual({ ...nothing, canBePlanted });
  });

  test('a user can make one whose directory it is', async () => {
    chownSync(join(file, '..'), 1000, 1000);
    expect(await checkConfigFile(file, 'after')).toEqual({ ...nothing, canBePlanted: true });
  });

  test('is no reason to distrust one of root in such a directory', async () => {
    write('tcp-established');
    chmodSync(join(file, '..'), 0o1777);
    expect(await checkConfigFile(file, 'after')).toEqual({
      text: 'tcp-established\n',
      canBePlanted: false,
      logFile: undefined,
      locksNetwork: false,
    });
  });
});

test.each([
  ['network-lock nftables', true],
  ['network-lock=skip', true],
  ['# network-lock nftables', false],
  ['tcp-established', false],
])('checkConfigFile finds whether %s says how to lock', async (text, locksNetwork) => {
  write(text);
  expect(await checkConfigFile(file, 'after')).toMatchObject({ locksNetwork });
});

describe('checkConfigFile refuses what another user can have written:', () => {
  const alice = 1000;

  test.each<[string, () => void]>([
    ['a file', () => chownSync(file, alice, alice)],
    ['a file that its group may write', () => chmodSync(file, 0o664)],
    ['the directory of a file of root', () => chownSync(join(file, '..'), alice, alice)],
  ])('%s', async (_name, plant) => {
    write('tcp-established');
    plant();
    expect(await failureOf(checkConfigFile(file, 'before'))).toMatchObject({
      code: 'ERR_UNTRUSTED_PATH',
    });
  });

  test.each(['action-script', 'libdir'])('what a file of root names as its %s', async (word) => {
    const code = join(file, '../code');
    writeFileSync(code, '');
    write(`${word} ${code}`);
    await checkConfigFile(file, 'before');
    chownSync(code, alice, alice);
    expect(await failureOf(checkConfigFile(file, 'before'))).toMatchObject({
      code: 'ERR_UNTRUSTED_PATH',
    });
  });
});

test('parseConfig gives values as CRIU takes them', () => {
  const text = 'external "a \\"b\\"" # x\nskip-mnt /a#b\nskip-mnt=/c\nno-tls\nexternal ""';
  expect(parseConfig(text).map(({ line, value, isNegated }) => [line, value, isNegated])).toEqual([
    [1, 'a "b"', false],
    [2, '/a', false],
    [3, '/c', false],
    [4, undefined, true],
    [5, '', false],
  ]);
});
