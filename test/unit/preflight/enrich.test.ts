import { expect, test } from 'vitest';
import { abortError, CriuError } from '../../../lib/base/errors.js';
import { textOf } from '../../../lib/base/sentence.js';
import { Criu } from '../../../lib/criu/criu.js';
import { enrich } from '../../../lib/preflight/enrich.js';

/** Its own process is always one that cannot be dumped from inside. */
const inspection = { criu: new Criu(), pid: process.pid, preDump: false, options: {} };

test('the error of CRIU is told anew with findings and cures', async () => {
  const cause = new Error('why');
  const failed = new CriuError('ERR_CRIU_FAILED', 'it failed', {
    operation: 'dump',
    stage: 'preDump',
    cause,
  });
  const error = await enrich(failed, inspection);
  expect(error).not.toBe(failed);
  expect(failed).toMatchObject({ message: 'it failed', findings: [] });
  expect(error).toMatchObject({ operation: 'dump', stage: 'preDump', cause });
  expect(error.findings.map(({ code }) => code)).toContain('self');
  const [first] = error.findings;
  expect(error.message.startsWith(`it failed. ${first?.message}`)).toBe(true);
  expect(textOf(error.sentence)).toBe(error.message);
  expect(error.stack).toContain(error.message);
});

test.each([
  new CriuError('ERR_CRIU_NOT_FOUND', 'no criu'),
  abortError(new Error('enough')),
  new TypeError('no'),
])('%s is left as it is', async (error) => {
  expect(await enrich(error, inspection)).toBe(error);
});

test('what has no time is left as it is', async () => {
  const error = new CriuError('ERR_CRIU_DIED', 'it died');
  expect(await enrich(error, inspection, 0)).toBe(error);
});
