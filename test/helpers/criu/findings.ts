import { expect } from 'vitest';
import type { Finding } from '../../../lib/base/finding.js';
import { explain } from '../../../lib/explain.js';
import type { DumpOptions } from '../api.js';
import type { Scope } from '../scope.js';
import { dumpFails, dumpOk } from './attempt.js';

/** What stands in the way; notices do not. */
export const obstacles = (findings: readonly Finding[]): Finding[] =>
  findings.filter(({ severity }) => severity !== 'notice');

/** The finding is named, CRIU fails without its option, and neither is left with it. */
export async function isCured(
  scope: Scope,
  pid: number,
  expected: Partial<Finding>,
  options: DumpOptions = {},
): Promise<Finding> {
  const findings = obstacles(await explain(pid, options));
  const [finding] = findings;
  expect(finding).toMatchObject({ severity: 'needs-option', ...expected });
  if (finding?.option === undefined) throw new Error('no option');
  expect(finding.message).toContain(finding.option);
  await dumpFails(scope, pid, options);
  const cured: DumpOptions = { ...options };
  for (const { option, value } of findings) {
    if (option === undefined) throw new Error('no option');
    const before = (cured as Record<string, unknown>)[option];
    const all = Array.isArray(before) && Array.isArray(value) ? [...before, ...value] : value;
    Object.assign(cured, { [option]: all });
  }
  expect(obstacles(await explain(pid, cured))).toEqual([]);
  await dumpOk(scope, pid, cured);
  return finding;
}

/** The finding is named and CRIU fails, whatever is asked. */
export async function isFatal(
  scope: Scope,
  pid: number,
  expected: Partial<Finding>,
  options: DumpOptions = {},
): Promise<string> {
  // There may be others of the same severity, in the order of their paths.
  expect(await explain(pid, options)).toContainEqual(
    expect.objectContaining({ severity: 'fails', ...expected }),
  );
  return (await dumpFails(scope, pid, options)).message;
}
