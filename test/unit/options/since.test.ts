import { describe, expect, test } from 'vitest';
import { textOf } from '../../../lib/base/sentence.js';
import { reasonOfUnknown } from '../../../lib/options/since.js';
import { optionTable } from '../../../lib/options/table.js';
import { requireKnownOptions } from '../../../lib/process/known-options.js';
import { failureOf } from '../../helpers/rejection.js';

const version = (text: string) => {
  const [major = 0, minor = 0] = text.split('.').map(Number);
  return { major, minor, sublevel: 0 };
};
const said = (options: object, criu: string): string | undefined => {
  const reason = reasonOfUnknown(options, version(criu));
  return reason === undefined ? undefined : textOf(reason);
};

/** Options that a criu knows from a version on; below it the one before. */
const young: readonly (readonly [options: object, name: string, before: string, from: string])[] = [
  [{ leaveStopped: true }, 'leaveStopped', '3.18', '3.19'],
  [{ skipFileRwxCheck: true }, 'skipFileRwxCheck', '3.17', '3.18'],
  [{ networkLock: 'skip' }, "networkLock: 'skip'", '3.18', '3.19'],
  [{ hooks: { queryExtFiles: () => [] } }, 'hooks.queryExtFiles', '3.18', '3.19'],
];

describe('an option that a criu does not know', () => {
  test.each(young)('is refused and named: %o', async (options, name, before, from) => {
    expect(said(options, before)).toContain(`does not know ${name}, `);
    expect(said(options, before)).toContain(`${from} or newer`);
    expect(said(options, from)).toBeUndefined();
    const error = await failureOf(
      (async () => requireKnownOptions({ operation: 'dump', options }, version(before)))(),
    );
    expect(error).toMatchObject({ code: 'ERR_CRIU_TOO_OLD', operation: 'dump' });
    expect(error.message).toContain(`criu ${before} does not know ${name}`);
  });

  test('is none that says no, or that the oldest criu knows', () => {
    const old = { leaveStopped: false, networkLock: 'nftables', tcpEstablished: true, hooks: {} };
    expect(said(old, '3.16')).toBeUndefined();
  });

  test('is each one with a version in the table', () => {
    const named = optionTable.filter(({ since, valuesSince }) => since ?? valuesSince);
    const tested = young.flatMap(([options]) => Object.keys(options));
    for (const { name } of named) expect(tested).toContain(name);
  });
});

test('a pre-dump is refused by a criu that has none of its own', async () => {
  const request = { operation: 'preDump', options: {} } as const;
  const error = await failureOf((async () => requireKnownOptions(request, version('3.16')))());
  expect(error).toMatchObject({ code: 'ERR_CRIU_TOO_OLD', operation: 'preDump' });
  expect(error.message).toContain('criu 3.16 has no pre-dump of its own: 3.17 or newer');
  expect(() => requireKnownOptions(request, version('3.17'))).not.toThrow();
  expect(() =>
    requireKnownOptions({ ...request, operation: 'dump' }, version('3.16')),
  ).not.toThrow();
});
