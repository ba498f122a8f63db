import { stat } from 'node:fs/promises';
import { inspect } from 'node:util';
import { describe, expect, test } from 'vitest';
import {
  AbortError,
  abortError,
  ContradictionError,
  CriuError,
  type CriuErrorDetails,
  errorCodes,
  inOperation,
  invalidArgType,
  invalidArgValue,
  sentenceOf,
  unknownOption,
  withNote,
} from '../../../lib/base/errors.js';
import { makeFinding } from '../../../lib/base/finding.js';
import { option, sentence } from '../../../lib/base/sentence.js';

const finding = makeFinding({
  code: 'file-lock',
  severity: 'needs-option',
  pid: 7,
  subject: '/lock',
  option: 'fileLocks',
  value: true,
  message: sentence`pass ${option('fileLocks', true)}`,
});
const details: Required<CriuErrorDetails> = {
  operation: 'dump',
  stage: 'freeze',
  errno: 16,
  log: ['Error (criu/x.c:1): no'],
  logFile: '/images/dump.log',
  findings: [finding],
  directories: ['/chain/1'],
  cause: new Error('why'),
};

describe('a CriuError', () => {
  test('tells all that it was made of', () => {
    const error = new CriuError('ERR_CRIU_FAILED', sentence`no ${option('tls')}`, details);
    expect(error).toBeInstanceOf(Error);
    expect(error).toMatchObject({ ...details, name: 'CriuError', code: 'ERR_CRIU_FAILED' });
    expect(error.message).toBe('no tls');
    expect(error.sentence).toEqual(['no ', { option: 'tls' }]);
  });

  test('has lists that are empty where there is nothing to tell, and no cause', () => {
    const error = new CriuError('ERR_CRIU_FAILED', 'no');
    expect(error).toMatchObject({ log: [], findings: [], directories: [] });
    expect([error.operation, error.stage, error.errno, error.logFile]).toEqual(
      Array(4).fill(undefined),
    );
    expect('cause' in error).toBe(false);
  });

  test('is told anew with more, and stays as it is', () => {
    const error = new CriuError('ERR_CRIU_DIED', 'it died', { ...details, findings: [] });
    const told = error.with({ findings: [finding] }, sentence`${error.sentence}. ${'Why'}`);
    expect(told).not.toBe(error);
    expect(told).toMatchObject({ ...details, code: 'ERR_CRIU_DIED', message: 'it died. Why' });
    expect(error).toMatchObject({ message: 'it died', findings: [] });
    expect(error.with({ operation: 'iterate' })).toMatchObject({
      ...details,
      findings: [],
      operation: 'iterate',
      message: 'it died',
    });
  });

  test('shows no parts of its sentence when it is printed', () => {
    expect(inspect(new CriuError('ERR_CRIU_FAILED', 'no'))).not.toContain('sentence');
    expect(JSON.stringify(finding)).not.toContain('sentence');
    expect(Object.keys(finding)).not.toContain('sentence');
  });
});

test('codes are distinct', () => {
  expect(errorCodes).toEqual([...new Set(errorCodes)]);
});

test('an AbortError is as of Node, with stage and directories', () => {
  const reason = new Error('enough');
  const error = abortError(reason, 'queued');
  expect(error).toMatchObject({
    name: 'AbortError',
    code: 'ABORT_ERR',
    message: 'The operation was aborted',
    stage: 'queued',
    cause: reason,
    directories: [],
  });
  expect(abortError(reason).stage).toBe('start');
  const left = new AbortError(reason, 'postDump', { message: 'aborted', directories: ['/1'] });
  expect(left).toMatchObject({ message: 'aborted', directories: ['/1'] });
});

test('a note is added to both in a new error', () => {
  const failed = new CriuError('ERR_CRIU_FAILED', sentence`no ${option('tls')}`, details);
  const told = withNote(failed, 'It is late', { operation: 'iterate', directories: ['/2'] });
  expect(told).toMatchObject({
    ...details,
    operation: 'iterate',
    directories: ['/2'],
    message: 'no tls. It is late',
  });
  expect(sentenceOf(told)).toEqual(['no ', { option: 'tls' }, '. It is late']);
  const aborted = abortError('enough', 'postDump');
  expect(withNote(aborted, 'It is late', { directories: ['/2'] })).toMatchObject({
    name: 'AbortError',
    message: 'The operation was aborted. It is late',
    stage: 'postDump',
    cause: 'enough',
    directories: ['/2'],
  });
  expect(withNote(aborted, '').message).toBe(aborted.message);
  expect([failed.message, aborted.message]).toEqual(['no tls', 'The operation was aborted']);
});

describe('misuse', () => {
  test('by type', () => {
    const error = invalidArgType('external[0]', 'a string', 5, 'pass a string');
    expect(error).toBeInstanceOf(TypeError);
    expect(error).toMatchObject({
      name: 'TypeError',
      code: 'ERR_INVALID_ARG_TYPE',
      option: 'external[0]',
      expected: 'a string',
      received: 5,
      reason: 'pass a string',
      message: 'Expected a string for external[0] but received 5 of type number: pass a string',
    });
  });

  test('by value, with options in what was expected', () => {
    const expected = sentence`a path relative to ${option('imagePath')}`;
    const error = invalidArgValue('parentPath', expected, '/a');
    expect(error).toBeInstanceOf(RangeError);
    expect(error).toMatchObject({
      name: 'RangeError',
      code: 'ERR_INVALID_ARG_VALUE',
      option: 'parentPath',
      expected: 'a path relative to imagePath',
      received: '/a',
      reason: undefined,
      message:
        "Expected a path relative to imagePath for parentPath but received '/a' of type string",
    });
  });

  test('by name', () => {
    expect(unknownOption('foo', 'an option of dump', 'did you mean bar?')).toMatchObject({
      code: 'ERR_INVALID_ARG_VALUE',
      option: 'foo',
      received: 'foo',
      message:
        "Expected an option of dump for option name but received 'foo' of type string: did you mean bar?",
    });
  });

  test('by contradiction', () => {
    const error = new ContradictionError(['a', 'b'], sentence`${option('a')} needs ${option('b')}`);
    expect(error).toBeInstanceOf(RangeError);
    expect(error).toMatchObject({
      name: 'RangeError',
      code: 'ERR_INVALID_ARG_VALUE',
      options: ['a', 'b'],
      message: 'a needs b',
    });
  });
});

test('every error of ours has its sentence in parts, others their message', () => {
  const mention = { option: 'tls' };
  for (const error of [
    new CriuError('ERR_CRIU_FAILED', sentence`${option('tls')}`),
    invalidArgType('tls', 'a boolean', 1),
    invalidArgValue('tls', 'a boolean', 1),
    new ContradictionError(['tls'], sentence`${option('tls')}`),
  ]) {
    expect(sentenceOf(error)).toContainEqual(mention);
  }
  expect(sentenceOf(new Error('tls'))).toBe('tls');
  expect(sentenceOf('thrown')).toBe('thrown');
});

const failed = (code: string): Error => Object.assign(new Error(`${code}: no`), { code });

describe('a call', () => {
  test('names itself in a failure of what it called', async () => {
    for (const operation of ['features', undefined] as const) {
      const inner = new CriuError('ERR_CRIU_FAILED', 'no', { ...details, operation });
      const error = await inOperation('explain', () => Promise.reject(inner)).catch(
        (thrown: unknown) => thrown,
      );
      expect(error).not.toBe(inner);
      expect(error).toMatchObject({ ...details, operation: 'explain', message: 'no' });
      expect((error as Error).stack).toContain('errors.test.ts');
      expect(inner.operation).toBe(operation);
    }
  });

  test.each([
    [24, () => Promise.reject(failed('EMFILE'))],
    [5, () => Promise.reject(failed('EIO'))],
    [2, () => stat('/proc/self/none')],
  ])(
    'gives a system call that failed with errno %i a code, and keeps it as the cause',
    async (errno, run) => {
      const error = await inOperation('dump', run).catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(CriuError);
      expect(error).toMatchObject({ code: 'ERR_SYSTEM_ERROR', operation: 'dump', errno });
      expect((error as CriuError).message).toMatch(
        /^The dump failed, because a system call did: E/,
      );
      expect((error as CriuError).cause).toBeInstanceOf(Error);
    },
  );

  test('leaves its own failures, those of others and results as they are', async () => {
    for (const error of [
      new CriuError('ERR_CRIU_FAILED', 'no', details),
      new TypeError('no'),
      abortError(undefined),
      'no',
    ]) {
      await expect(inOperation('dump', () => Promise.reject(error))).rejects.toBe(error);
    }
    expect(await inOperation('dump', async () => 7)).toBe(7);
  });
});
