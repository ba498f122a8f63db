import { features } from '../../helpers/api.js';
import { endSpareWorkers } from '../../helpers/criu/workers.js';
import { runOk } from '../../helpers/system/exec.js';
import { assertNoLeak, type Holdings, takeHoldings } from '../../helpers/system/leaks.js';
import type { SuiteModule } from './suite-module.js';

let before: Holdings | undefined;

/** To be called before the first test. */
export async function rememberWhatIsThere(): Promise<void> {
  // What the addon, and libuv for its first pipe, open once and for all is there before.
  await features();
  await runOk('true', []);
  await endSpareWorkers();
  before = await takeHoldings();
}

/** What is looked at when all tests are over. */
export const leftovers: SuiteModule = {
  title: 'after all',
  suite: {
    'no process, descriptor, mount, cgroup or firewall rule is left behind': async () => {
      if (before === undefined) throw new Error('nothing to compare with');
      await endSpareWorkers();
      await assertNoLeak(before);
    },
  },
};
