import { constants } from 'node:os';
import { describe, expect, test } from 'vitest';
import { CriuError } from '../../../lib/base/errors.js';
import { nativeFailureOf, withCode } from '../../../lib/native/failure.js';

/** As the addon throws it. */
const thrown = (stage: string, errno: number, message: string): Error =>
  Object.assign(new Error(message), { stage, errno });

const { EAGAIN, EMFILE, ENOMEM, EXDEV } = constants.errno;

describe('what the addon throws', () => {
  test.each([
    [
      'spawn',
      EAGAIN,
      'cannot start a thread',
      'ERR_SYSTEM_ERROR',
      'Cannot start a thread (EAGAIN)',
    ],
    ['spawn', EMFILE, 'cannot make a pipe', 'ERR_SYSTEM_ERROR', 'Cannot make a pipe (EMFILE)'],
    ['request', ENOMEM, 'out of memory', 'ERR_SYSTEM_ERROR', 'Out of memory (ENOMEM)'],
    ['keep', EXDEV, 'cannot exchange', 'ERR_CRIU_IMAGES_DIR', 'Cannot exchange (EXDEV)'],
    ['library', 0, 'no such file', 'ERR_CRIU_LIBRARY_NOT_FOUND', 'No such file'],
  ])('at %s with errno %i is a CriuError', (stage, errno, message, code, sentence) => {
    const cause = thrown(stage, errno, message);
    const error = withCode(cause);
    expect(error).toBeInstanceOf(CriuError);
    expect(error).toMatchObject({ code, message: sentence, errno: errno || undefined, cause });
    expect(nativeFailureOf(error)).toBe(cause);
  });

  test('has a stage where the API has one of that name', () => {
    expect(withCode(thrown('spawn', 0, 'x'))).toMatchObject({ stage: 'spawn' });
    expect(withCode(thrown('keep', 0, 'x'))).toMatchObject({ stage: undefined });
  });

  test.each([
    ['a mistyped argument', new TypeError('native request: fd must be a number')],
    ['a failed system call of Node', Object.assign(new Error('x'), { errno: -2, code: 'ENOENT' })],
    ['an error of the API', new CriuError('ERR_CRIU_FAILED', 'x', { stage: 'spawn', errno: 1 })],
    ['no error at all', 'x'],
  ])('stays what it is when it is %s', (_what, error) => {
    expect(withCode(error)).toBe(error);
    expect(nativeFailureOf(error)).toBeUndefined();
  });
});
