import { constants } from 'node:os';
import { describe, expect, test } from 'vitest';
import { CriuError } from '../../../lib/base/errors.js';
import { excerpt } from '../../../lib/criu/log.js';
import { requestFailure } from '../../../lib/criu/request-failure.js';

type Failed = Parameters<typeof requestFailure>[1];

/** CRIU answered that it did not succeed, and said nothing more. */
const answered: Failed = {
  stage: 'freeze',
  replied: true,
  errno: 0,
  message: '',
  printed: '',
  exitCode: 0,
  exitSignal: 0,
};
const errorLine = (words: string): string => `Error (criu/x.c:1): ${words}`;
const logOf = (words: string) => excerpt(`(00.1) ${errorLine(words)}\n`);

describe('what CRIU answered', () => {
  test('is a CriuError that names the call, the stage and the cause from the log', () => {
    const error = requestFailure('dump', answered, logOf('it broke'), '/images/dump.log');
    expect(error).toBeInstanceOf(CriuError);
    expect(error).toMatchObject({
      code: 'ERR_CRIU_FAILED',
      message: 'CRIU failed to dump the process, at stage freeze: it broke',
      operation: 'dump',
      stage: 'freeze',
      errno: undefined,
      log: [errorLine('it broke')],
      logFile: '/images/dump.log',
    });
  });

  test.each([
    ['checkpoint', 'checkpoint the container'],
    ['preDump', 'pre-dump the process'],
    ['checkpointSelf', 'checkpoint this process'],
    ['restore', 'restore the process'],
    ['check', 'check this kernel'],
    ['version', 'tell its version'],
    ['features', 'tell what this kernel has'],
    ['startPageServer', 'receive pages'],
    ['startLazyPages', 'serve lazy pages'],
  ] as const)('tells what %s was to do: %s', (operation, task) => {
    expect(requestFailure(operation, answered)).toMatchObject({
      operation,
      message: `CRIU failed to ${task}, at stage freeze`,
    });
  });

  test('has its cause from the log, else from what criu printed, else from its message', () => {
    const said = { ...answered, printed: errorLine('printed'), message: errorLine('answered') };
    const cause = (outcome: Failed, log = excerpt('')): string =>
      requestFailure('dump', outcome, log).message.replace(/^.*: /, '');
    expect(cause(said, logOf('logged'))).toBe('logged');
    expect(cause(said)).toBe('printed');
    expect(cause({ ...said, printed: 'nothing that is an error' })).toBe('answered');
  });

  test('has the lines that criu printed where there is no log', () => {
    const outcome = { ...answered, printed: errorLine('printed') };
    expect(requestFailure('dump', outcome).log).toEqual([errorLine('printed')]);
    expect(requestFailure('dump', outcome, logOf('logged')).log).toEqual([errorLine('logged')]);
    expect(requestFailure('dump', answered).log).toEqual([]);
  });

  test("names CRIU's errno when there are no words for the cause", () => {
    const outcome = { ...answered, errno: constants.errno.EBUSY };
    expect(requestFailure('dump', outcome)).toMatchObject({
      errno: constants.errno.EBUSY,
      message: 'CRIU failed to dump the process, at stage freeze (EBUSY)',
    });
    expect(requestFailure('dump', outcome, logOf('it broke'))).toMatchObject({
      errno: constants.errno.EBUSY,
      message: 'CRIU failed to dump the process, at stage freeze: it broke',
    });
  });

  test('names an errno that has no name by its number', () => {
    // EHWPOISON, of which libuv knows nothing.
    expect(requestFailure('dump', { ...answered, errno: 133 }).message).toMatch(/ \(errno 133\)$/);
  });
});

describe('a criu that ended without an answer', () => {
  const died = { ...answered, replied: false };

  test('is told by its signal', () => {
    expect(requestFailure('dump', { ...died, exitSignal: 9 })).toMatchObject({
      code: 'ERR_CRIU_DIED',
      message: 'CRIU was killed by signal 9 when it was to dump the process, at stage freeze',
    });
  });

  test.each([0, 1])('is told by its status %i', (exitCode) => {
    expect(requestFailure('restore', { ...died, exitCode })).toMatchObject({
      code: 'ERR_CRIU_DIED',
      message: `CRIU ended with status ${exitCode} when it was to restore the process, at stage freeze`,
    });
  });

  test('is told with what it said before', () => {
    expect(requestFailure('dump', { ...died, exitCode: 1 }, logOf('it broke')).message).toMatch(
      /at stage freeze: it broke$/,
    );
    expect(
      requestFailure('dump', { ...died, exitCode: 1, printed: errorLine('it broke') }),
    ).toMatchObject({
      message: expect.stringMatching(/: it broke$/),
      log: [errorLine('it broke')],
    });
  });
});

describe('what failed on our side of the socket', () => {
  const ours = (stage: string, errno: number): Failed => ({
    ...answered,
    replied: false,
    stage: stage as Failed['stage'],
    failure: { stage, errno, message: 'cannot do it' },
  });
  const { ENOENT, EPERM, EACCES, EIO, EWOULDBLOCK, EADDRINUSE, EMFILE, ENOMEM } = constants.errno;

  test('is told in our words, with the name of the errno', () => {
    expect(requestFailure('dump', ours('request', EIO))).toMatchObject({
      code: 'ERR_CRIU_FAILED',
      message: 'Cannot dump the process: cannot do it (EIO)',
      errno: EIO,
      stage: 'request',
    });
    expect(requestFailure('dump', ours('request', 0))).toMatchObject({
      message: 'Cannot dump the process: cannot do it',
      errno: undefined,
    });
  });

  test('comes before what CRIU says, whose errno and log are kept', () => {
    const outcome = { ...ours('request', 0), errno: EIO };
    expect(requestFailure('dump', outcome, logOf('it broke'))).toMatchObject({
      message: 'Cannot dump the process: cannot do it (EIO)',
      errno: EIO,
      log: [errorLine('it broke')],
    });
  });

  test.each([
    ['listen', EADDRINUSE, 'ERR_CRIU_ADDRESS'],
    ['listen', EACCES, 'ERR_CRIU_ADDRESS'],
    ['library', ENOENT, 'ERR_CRIU_LIBRARY_NOT_FOUND'],
    ['library', 0, 'ERR_CRIU_LIBRARY_NOT_FOUND'],
    ['spawn', ENOENT, 'ERR_CRIU_NOT_FOUND'],
    ['spawn', EACCES, 'ERR_CRIU_PERMISSION'],
    ['spawn', EIO, 'ERR_CRIU_FAILED'],
    ['freeze', EWOULDBLOCK, 'ERR_SYSTEM_ERROR'],
    ['images', ENOENT, 'ERR_CRIU_IMAGES_DIR'],
    ['freeze', EPERM, 'ERR_CRIU_PERMISSION'],
    ['freeze', ENOENT, 'ERR_CRIU_FAILED'],
    ['request', EPERM, 'ERR_CRIU_PERMISSION'],
    ['request', EACCES, 'ERR_CRIU_PERMISSION'],
    ['request', EMFILE, 'ERR_SYSTEM_ERROR'],
    ['listen', ENOMEM, 'ERR_SYSTEM_ERROR'],
    ['request', ENOENT, 'ERR_CRIU_FAILED'],
  ])('at stage %s with errno %i has the code %s', (stage, errno, code) => {
    expect(requestFailure('dump', ours(stage, errno)).code).toBe(code);
  });
});
