import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { decodeNeededPids, decodePids } from '../../../lib/images/pstree.js';

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

describe('decodeNeededPids', () => {
  test('reads the root and all ids', () => {
    const { root, all } = decodeNeededPids(recorded);
    expect(root).toBe(16);
    for (const pid of decodePids(recorded)) expect(all).toContain(pid);
  });

  test('reads groups, sessions and threads too, in a list or packed', () => {
    const head = recorded.subarray(0, 8);
    // pid 5, pgid 6, sid 7, threads 5 and 8; a field that nobody knows; packed threads 9 and 200.
    const task = [8, 5, 16, 0, 24, 6, 32, 7, 40, 5, 40, 8, 120, 1, 42, 3, 9, 200, 1];
    const size = Buffer.from([task.length, 0, 0, 0]);
    const { root, all } = decodeNeededPids(Buffer.concat([head, size, Buffer.from(task)]));
    expect(root).toBe(5);
    expect([...all].sort((one, other) => one - other)).toEqual([5, 6, 7, 8, 9, 200]);
  });

  test('has no root where there is no task', () => {
    expect(decodeNeededPids(recorded.subarray(0, 8))).toEqual({ root: undefined, all: new Set() });
  });
});
