import assert from 'node:assert/strict';
import { join } from 'node:path';
import { dump, explain, restore } from '../../../helpers/api.js';
import type { Scope } from '../../../helpers/cleanup.js';
import { run, until } from '../../../helpers/system/exec.js';
import { cgroupOf, counter, lastNumber, makeService } from '../service.js';
import type { Suite } from '../suite-module.js';

export const title = 'services of systemd';

const web = `[Service]\nExecStart=${counter}\n`;

/** No process of a test is to be left when the cgroup that it is in goes on. */
function endLater(scope: Scope, pid: number): void {
  scope.defer(() => run('kill', ['-KILL', String(pid)]));
}

export const suite: Suite = {
  'a service that writes to the journal is saved, restored, and writes on': async (scope) => {
    const service = await makeService(scope, 'web.service', web);
    await service.start();
    const pid = await service.mainPid();
    const before = await service.countsBeyond(2);
    const found = new Set((await explain(pid)).map(({ code }) => code));
    assert.ok(found.has('unix-journal') && found.has('systemd-unit'));
    const imagePath = join(await scope.directory(), 'images');
    const { warnings } = await dump(pid, { imagePath, journal: true });
    assert.equal(warnings.length, 1);
    assert.match(warnings[0] ?? '', /web\.service/);
    await service.ends();
    const saved = await service.count();
    assert.ok(saved >= before);
    const restored = await restore(imagePath, { journal: true, manageCgroupsMode: 'ignore' });
    endLater(scope, pid);
    assert.equal(restored.pid, pid);
    const after = await until('it writes on', async () => {
      const number = await lastNumber(`_PID=${pid}`);
      return number > saved && number;
    });
    assert.ok(after < saved + 1000, 'it goes on from where it was');
    assert.equal(cgroupOf(pid), cgroupOf(process.pid));
  },
};
