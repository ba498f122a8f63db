import { describe, expect, test } from 'vitest';
import { validateId } from '../../../../lib/container/state/id.js';

describe('validateId', () => {
  test.each(['a', 'web', 'A-b_c+d.e', '...', '..a', '-', '0'])('lets %j pass', (id) => {
    expect(validateId(id)).toBe(id);
  });

  test.each(['', '.', '..', '/', 'a/b', '../a', 'a/..', 'a\0', 'a\n', '\na', 'a b', 'é', 'a:b'])(
    'refuses %j',
    (id) => {
      expect(() => validateId(id)).toThrow(
        expect.objectContaining({
          name: 'RangeError',
          code: 'ERR_INVALID_ARG_VALUE',
          message: expect.stringMatching(/^Expected a container id for id but received [^\n]*$/),
        }),
      );
    },
  );

  test.each([[undefined], [null], [5], [{}], [['web']], [Object('web')]])(
    'refuses %o by type',
    (id) => {
      expect(() => validateId(id)).toThrow(
        expect.objectContaining({ name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' }),
      );
    },
  );
});
