// Tests that need another kernel than this machine's: with memory tracking and a pure cgroup v2. They
// run in a virtual machine, all in one boot; here each of them waits for what the guest says of it.
import { afterAll, beforeAll, describe, test } from 'vitest';
import { requireNeeds } from '../helpers/needs.js';
import { loadSuites } from './guest/suite.js';
import { Machine } from './host/machine.js';

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

async function boot(): Promise<Machine> {
  requireNeeds('root', 'criu', 'libcriu', 'build', 'runc', 'busybox', 'gcc');
  return Machine.boot();
}

for (const { title, suite } of await loadSuites()) {
  describe(title, () => {
    for (const name of Object.keys(suite)) {
      test(name, async () => {
        await (await booting).outcome(title, name);
      });
    }
  });
}
