import { describe, expect, test } from 'vitest';
import { checkTarget } from '../../../lib/options/unit-target.js';

describe('a target', () => {
  test.each([
    [4711, 4711],
    [{ unit: 'web' }, { unit: 'web.service' }],
    [{ unit: 'web.service' }, { unit: 'web.service' }],
    [{ unit: 'web@a-b:c_1' }, { unit: 'web@a-b:c_1.service' }],
    [{ unit: 'a\\x2db.service' }, { unit: 'a\\x2db.service' }],
    [{ unit: 'org.example.web' }, { unit: 'org.example.web.service' }],
  ])('%j is taken', (given, taken) => {
    expect(checkTarget(given)).toEqual(taken);
  });

  test.each([
    ['', 'ERR_INVALID_ARG_VALUE'],
    ['../web.service', 'ERR_INVALID_ARG_VALUE'],
    ['web.socket', 'ERR_INVALID_ARG_VALUE'],
    ['web service', 'ERR_INVALID_ARG_VALUE'],
    ['@1.service', 'ERR_INVALID_ARG_VALUE'],
    ['.service', 'ERR_INVALID_ARG_VALUE'],
    ['a'.repeat(250), 'ERR_INVALID_ARG_VALUE'],
    [7, 'ERR_INVALID_ARG_TYPE'],
    [undefined, 'ERR_INVALID_ARG_TYPE'],
  ])('the unit %j is refused', (unit, code) => {
    expect(() => checkTarget({ unit })).toThrow(
      expect.objectContaining({ code, option: 'pid.unit' }),
    );
  });

  test.each([0, -1, 1.5, '1', null, undefined])('%j is refused', (given) => {
    expect(() => checkTarget(given)).toThrow(expect.objectContaining({ option: 'pid' }));
  });
});
