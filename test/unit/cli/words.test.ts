import { describe, expect, test } from 'vitest';
import {
  CriuError,
  invalidArgType,
  invalidArgValue,
  sentenceOf,
} from '../../../lib/base/errors.js';
import { option, sentence, textOf } from '../../../lib/base/sentence.js';
import { commandHelp } from '../../../lib/cli/command.js';
import { checkpointCommand } from '../../../lib/cli/commands/checkpoint.js';
import { restoreCommand } from '../../../lib/cli/commands/restore.js';
import { helpText } from '../../../lib/cli/words.js';
import { optionsOf } from '../../../lib/options/calls.js';
import { validateOptions } from '../../../lib/options/validate.js';

const words = checkpointCommand.words;

describe('sentences in the words of the command', () => {
  test.each([
    [
      sentence`The directory of ${option('imagePath')} /a/imagePath is not empty; give a fresh one,
        or ${option('existing', 'replace')}`,
      'The directory of --image-path /a/imagePath is not empty; give a fresh one, or --existing replace',
    ],
    [sentence`pass ${option('tcpEstablished', true)}`, 'pass --tcp-established'],
    [sentence`pass ${option('tcpEstablished', false)}`, 'pass --tcp-established=false'],
    [sentence`pass ${option('ghostLimit', 2048)} or more`, 'pass --ghost-limit 2048 or more'],
    [
      sentence`pass ${option('external', ['mnt[/a]:a', "unix[it's]"])}`,
      String.raw`pass --external 'mnt[/a]:a' --external 'unix[it'\''s]'`,
    ],
    [sentence`pass ${option('enableFs', ['ramfs'])}`, 'pass --enable-fs ramfs'],
    [sentence`${option('stateRoot')} of ${option('id')}`, '--root of <container-id>'],
    [sentence`${option('hooks')}`, 'hooks'],
    ['a plain preDump stays', 'a plain preDump stays'],
  ])('%#', (said, expected) => {
    expect(textOf(said, words)).toBe(expected);
  });

  test.each([
    [
      invalidArgValue('external[12]', 'a string', 'external'),
      "Expected a string for --external but received 'external'",
    ],
    [
      invalidArgType('cgRoots[0].path', 'an absolute path', 7),
      'Expected an absolute path for --cgroup-root but received 7',
    ],
    [
      invalidArgValue('id', 'a container id', '..', 'it is not a file name'),
      "Expected a container id for <container-id> but received '..': it is not a file name",
    ],
    [
      new CriuError('ERR_CRIU_TIMEOUT', sentence`${option('timeoutMs')} ${100} is over`),
      '--timeout-ms 100 is over',
    ],
    [new Error('timeoutMs'), 'timeoutMs'],
    ['timeoutMs', 'timeoutMs'],
  ])('%s', (error, expected) => {
    expect(textOf(sentenceOf(error), words)).toBe(expected);
  });

  test('each command has its own: the images of a restore are its argument', () => {
    const said = sentence`Cannot write to ${option('imagePath')} /a (EACCES)`;
    expect(textOf(said, restoreCommand.words)).toBe('Cannot write to DIR /a (EACCES)');
  });
});

/** What every option of a checkpoint is refused for, in flags. */
const impossible: Readonly<Record<string, unknown>> = {
  boolean: 'yes',
  integer: -1.5,
  path: '',
  relativePath: '/absolute',
  fileName: 'a/b',
  string: '',
  enum: 'none of them',
  'enum[]': ['none of them'],
  'string[]': [''],
  'path[]': [''],
  address: 'nowhere',
  file: '',
  'cgroupRoot[]': [{ path: 'relative' }],
};

test.each(optionsOf('checkpoint').flatMap((row) => (row.flag === undefined ? [] : [[row]])))(
  'misuse of $name is told by its flag',
  ({ name, flag, type }) => {
    expect(impossible).toHaveProperty([type]);
    const { [type]: value } = impossible;
    let error: unknown;
    try {
      validateOptions('checkpoint', { [name]: value });
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toMatchObject({ received: Array.isArray(value) ? expect.anything() : value });
    expect((error as { option: string }).option.startsWith(name)).toBe(true);
    const told = textOf(sentenceOf(error), words);
    expect(told).toContain(` for --${flag} but received `);
    expect(told).not.toMatch(/of type|\[\d\]/);
    expect((error as Error).message).toContain(` for ${(error as { option: string }).option} `);
  },
);

test.each<[object, string[], string]>([
  [
    { leaveRunning: true, leaveStopped: true },
    ['leaveRunning', 'leaveStopped'],
    '--leave-running and --leave-stopped exclude each other',
  ],
  [
    { tcpEstablished: true, tcpClose: true },
    ['tcpEstablished', 'tcpClose'],
    '--tcp-established and --tcp-close exclude each other',
  ],
  [{ preDumpMode: 'read' }, ['preDumpMode', 'preDump'], "--pre-dump-mode 'read' needs --pre-dump"],
  [
    { statusFd: 5 },
    ['statusFd', 'lazyPages'],
    '--status-fd 5 needs --lazy-pages: there is no status without',
  ],
  [
    { lazyPages: true },
    ['lazyPages', 'pageServer'],
    '--lazy-pages needs --page-server: the pages are served at that address',
  ],
  [
    { tlsCert: '/cert' },
    ['tlsCert', 'tls'],
    '--tls-cert needs --tls: nothing is encrypted without',
  ],
])('the contradiction of %o names both', (options, names, told) => {
  let error: unknown;
  try {
    validateOptions('checkpoint', options);
  } catch (thrown) {
    error = thrown;
  }
  expect(error).toMatchObject({ code: 'ERR_INVALID_ARG_VALUE', options: names });
  for (const name of names) expect((error as Error).message).toContain(name);
  expect(textOf(sentenceOf(error), words)).toBe(told);
});

test('help puts flags in the place of what stands between backticks', () => {
  if (!words) throw new Error('no words');
  expect(helpText('relative to `imagePath`; `hooks`', words)).toBe(
    'relative to --image-path; hooks',
  );
  expect(commandHelp(checkpointCommand)).not.toContain('`');
});
