import { chmodSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { requireKnownTrusted } from '../../../lib/linux/known-trusted.js';
import { failureOf } from '../../helpers/rejection.js';
import { useScope } from '../../helpers/scope.js';

const scope = useScope();
const what = 'the configuration';

/** Often enough for it to be known. */
async function looked(path: string): Promise<void> {
  for (let look = 0; look < 3; look++) {
    await requireKnownTrusted(what, path);
    await sleep(30);
  }
}

test('a file that is known is refused from the moment on at which others may write it', async () => {
  const file = join(await scope.directory(), 'file');
  writeFileSync(file, '', { mode: 0o644 });
  await looked(file);
  chmodSync(file, 0o666);
  for (let look = 0; look < 2; look++) {
    expect(await failureOf(requireKnownTrusted(what, file))).toMatchObject({
      code: 'ERR_UNTRUSTED_PATH',
      message: expect.stringContaining(`${what} ${file}`),
    });
  }
  chmodSync(file, 0o644);
  await looked(file);
});

test('what is known to be missing is looked at when it is made', async () => {
  const directory = join(await scope.directory(), 'directory');
  const file = join(directory, 'deeper/file');
  await looked(file);
  mkdirSync(join(directory, 'deeper'), { recursive: true });
  await looked(file);
  writeFileSync(file, '');
  chmodSync(file, 0o666);
  expect(await failureOf(requireKnownTrusted(what, file))).toMatchObject({
    code: 'ERR_UNTRUSTED_PATH',
  });
  rmSync(file);
  chmodSync(join(directory, 'deeper'), 0o777);
  expect(await failureOf(requireKnownTrusted(what, file))).toMatchObject({
    code: 'ERR_UNTRUSTED_PATH',
  });
});
