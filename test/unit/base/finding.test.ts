import { describe, expect, test } from 'vitest';
import {
  type Finding,
  findingCodes,
  makeFinding,
  sortFindings,
} from '../../../lib/base/finding.js';

describe('findings', () => {
  test('are sorted with the worst first', () => {
    const finding = (severity: Finding['severity'], pid: number, fd?: number): Finding =>
      makeFinding({
        code: 'file-lock',
        severity,
        pid,
        ...(fd === undefined ? {} : { fd }),
        subject: '',
        message: '',
      });
    const [a, b, c, d] = [
      finding('fails', 9),
      finding('needs-option', 1, 3),
      finding('needs-option', 1, 12),
      finding('notice', 1),
    ];
    expect(sortFindings([d, c, b, a])).toEqual([a, b, c, d]);
  });

  test('have codes that are in order and distinct', () => {
    expect([...findingCodes]).toEqual([...new Set(findingCodes)].sort());
  });
});
