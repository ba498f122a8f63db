import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { decodePids } from '../../../lib/images/pstree.js';

/** Of five processes, as CRIU 4.2.1 has written it. */
const recorded = readFileSync(new URL('../../fixtures/images/pstree.img', import.meta.url));
/** Where each of them begins, and the end. */
const borders = [8, 22, 36, 50, 64, 78];

describe('decodePids', () => {
  test('reads all pids of pstree.img, the root first', () => {
    expect(decodePids(recorded)).toEqual([16, 17, 19, 20, 18]);
  });

  test('finds none in something else', () => {
    expect(() => decodePids(Buffer.from('not an image'))).toThrow('not a pstree image');
    expect(() => decodePids(Buffer.alloc(3))).toThrow('cut short');
  });

  test('finds none in a pstree.img that is cut short', () => {
    for (let length = 0; length <= recorded.length; length++) {
      const decode = (): number[] => decodePids(recorded.subarray(0, length));
      // A cut between two of them cannot be told.
      const whole = borders.indexOf(length);
      if (whole < 0) expect(decode).toThrow('cut short');
      else expect(decode()).toHaveLength(whole);
    }
  });
});
