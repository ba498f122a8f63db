import { expect, test } from 'vitest';
import { type CriuChoice, check, close, features, version } from '../../lib/index.js';
import { rejection } from '../helpers/rejection.js';

test.each([check, version, features, close])('$name refuses what is no CRIU', async (ask) => {
  const refused = async (options: unknown) => await rejection(ask(options as CriuChoice));
  expect(await refused({ criu: '/usr/sbin/criu' })).toMatchObject({
    name: 'TypeError',
    code: 'ERR_INVALID_ARG_TYPE',
    message: expect.stringContaining('an instance of Criu') as string,
  });
  expect(await refused(null)).toMatchObject({
    code: 'ERR_INVALID_ARG_TYPE',
    message: expect.stringContaining('an object') as string,
  });
});
