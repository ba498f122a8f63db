import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { checkStatusFd } from '../../../lib/options/status-fd.js';
import { useScope } from '../../helpers/scope.js';

const scope = useScope();
const value = 'ERR_INVALID_ARG_VALUE';

function open(path: string, flags: number | string): number {
  const fd = openSync(path, flags);
  scope.defer(() => closeSync(fd));
  return fd;
}

describe('checkStatusFd', () => {
  test.each([
    ['open for reading only', () => open('/dev/null', 'r'), 'reading only'],
    ['of a directory', () => open('/', 'r'), 'reading only'],
    ['opened with O_PATH', () => open('/dev/null', 0o10000000), 'reading only'],
    ['closed', () => 9999, 'not open'],
    ['larger than any', () => 0x7fff_ffff, 'not open'],
  ])('refuses a descriptor %s', (_what, make, reason) => {
    const fd = make();
    expect(() => checkStatusFd(fd)).toThrowError(
      expect.objectContaining({
        code: value,
        message: expect.stringMatching(new RegExp(`statusFd .*${fd}.*${reason}`)) as string,
      }) as Error,
    );
  });

  test('writes nothing to the descriptor', async () => {
    const path = join(await scope.directory(), 'status');
    const fd = open(path, 'w+');
    checkStatusFd(fd);
    expect(readFileSync(path)).toHaveLength(0);
  });
});
