import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { dump } from '../../helpers/api.js';
import { falseCriu } from '../../helpers/criu/false-criu.js';
import { requireNeeds } from '../../helpers/needs.js';
import { failureOf } from '../../helpers/rejection.js';
import { useScope } from '../../helpers/scope.js';
import { isRunning } from '../../helpers/system/freezer.js';
import { assertNoLeak, settledHoldings } from '../../helpers/system/leaks.js';
import { startWorkload } from '../../helpers/system/process.js';

const scope = useScope();
beforeAll(() => requireNeeds('root', 'criu', 'libcriu', 'build', 'gcc'));

const another = 'criu answered another request than this one';
const unreadable = 'what criu said cannot be read';

/** What is no answer to the request is none, whatever it says of success; nor is one that is cut off. */
test.each([
  ['answers another request', another],
  ['answers a request that there is not', another],
  ['answers without a type', another],
  ['answers as nothing', another],
  ['sends descriptors with its answer', another],
  ['is cut off in its answer', unreadable],
  ['is cut off in a part of its answer', unreadable],
  ['is cut off in a notification', unreadable],
  ['answers at too great a length', unreadable],
  ['refuses twice', 'CRIU failed to dump the process'],
])('a dump fails, and nothing is left of it, when criu %s', async (mode, cause) => {
  const { pid } = await startWorkload(scope, ['idle']);
  const criu = await falseCriu(scope, mode);
  const imagePath = join(await scope.directory(), 'images');
  const held = await settledHoldings([pid]);
  const error = await failureOf(dump(pid, { criu, imagePath }));
  expect(error.code).toBe('ERR_CRIU_FAILED');
  expect(error.message).toContain(cause);
  expect(isRunning(pid)).toBe(true);
  expect(existsSync(join(imagePath, 'inventory.img'))).toBe(false);
  await criu.close();
  await assertNoLeak(held, [pid]);
});
