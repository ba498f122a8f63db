import { afterAll, beforeAll, describe, test } from 'vitest';
import { reportLine, reportRow } from '../../helpers/engines/report.js';
import { loadSuites } from '../guest/suite.js';
import { type Hardware, Machine, type MakeParts } from './machine.js';

/**
 * Makes a test of each that a machine runs. It runs them all in one boot; here each of them waits for
 * what the guest says of it.
 *
 * @param suites - Which directory of `test/vm/guest` has them.
 * @param settings - `tell` is told the name of each that passes; `hardware` is what is emulated.
 */
export async function reportTests(
  suites: string,
  requireAll: () => void,
  make: MakeParts,
  { tell = () => {}, hardware }: { tell?: (name: string) => void; hardware?: Hardware } = {},
): Promise<void> {
  let booting: Promise<Machine>;
  // Without a machine it is each test that fails, with the reason.
  beforeAll(async () => {
    booting = boot();
    await booting.catch(() => {});
  });
  afterAll(() =>
    booting.then(
      (machine) => machine.close(),
      () => {},
    ),
  );
  const boot = async (): Promise<Machine> => {
    requireAll();
    return Machine.boot(make, hardware);
  };
  for (const { title, suite } of await loadSuites(suites)) {
    describe(title, () => {
      for (const name of Object.keys(suite)) {
        test(name, async () => {
          const { rows = [], output } = await (await booting).outcome(title, name);
          for (const row of rows) reportRow(row);
          if (output !== undefined) reportLine({ output });
          tell(name);
        });
      }
    });
  }
}
