import { constants } from 'node:os';
import { describe, expect, test } from 'vitest';
import { isShortage } from '../../../lib/base/shortage.js';

const { errno } = constants;

describe('what the machine lacks', () => {
  test.each(['EAGAIN', 'EMFILE', 'ENFILE', 'ENOMEM'] as const)('is told by %s', (name) => {
    expect(isShortage(name)).toBe(true);
    expect(isShortage(errno[name])).toBe(true);
  });

  test.each(['ENOENT', 'EACCES', 'ENOSPC', 'EDQUOT'] as const)('is not told by %s', (name) => {
    expect(isShortage(name)).toBe(false);
    expect(isShortage(errno[name])).toBe(false);
  });

  test('is not told by what was no system call', () => {
    for (const one of [undefined, '', 0, 'ERR_INVALID_ARG_TYPE']) {
      expect(isShortage(one)).toBe(false);
    }
  });
});
