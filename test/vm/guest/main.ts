// Runs every suite and writes a line for each test to standard output, which is a serial port.
import { writeSync } from 'node:fs';
import { tail } from '../../../tools/process.mjs';
import { Scope } from '../../helpers/cleanup.js';
import type { Failure, TestReport } from '../protocol.js';
import { rememberWhatIsThere } from './leftovers.js';
import { loadSuites } from './suite.js';
import type { Suite } from './suite-module.js';

/** What a hanging test may cost the others. */
const testTimeoutMs = 150_000;

async function main(): Promise<void> {
  await rememberWhatIsThere();
  for (const { title, suite } of await loadSuites(process.env['LIBCRIU_VM_SUITES'] ?? 'bare')) {
    for (const [name, body] of Object.entries(suite)) {
      const start = performance.now();
      const outcome = await outcomeOf(body);
      const durationMs = Math.round(performance.now() - start);
      const report: TestReport = { title, name, durationMs, ...outcome };
      writeSync(1, `${JSON.stringify(report)}\n`);
    }
  }
}

type Outcome = Pick<TestReport, 'failure' | 'rows' | 'output'>;

async function outcomeOf(body: Suite[string]): Promise<Outcome> {
  const scope = new Scope();
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new Error(`not over after ${testTimeoutMs} ms`)),
      testTimeoutMs,
    );
  });
  let outcome: Outcome;
  try {
    const told = await Promise.race([body(scope), late]);
    if (told === undefined) outcome = {};
    else outcome = Array.isArray(told) ? { rows: told } : { output: told };
  } catch (error) {
    const failure = describe(error);
    await scope.close().catch(() => {}); // the test's own error says more
    return { failure };
  } finally {
    clearTimeout(timer);
  }
  return scope.close().then(
    () => outcome,
    (error: unknown) => ({ failure: describe(error) }),
  );
}

/** The machine is gone when somebody reads this: what CRIU wrote has to be in it. */
function describe(error: unknown): Failure {
  if (!(error instanceof Error)) return { message: String(error), stack: '' };
  const { logFile } = error as { logFile?: string };
  const log = logFile === undefined ? [] : tail(logFile, 60);
  return { message: [error.message, ...log].join('\n'), stack: error.stack ?? '' };
}

await main();
// Whatever a failed test left open must not keep the machine up.
process.exit(0);
