import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { dump, restore } from '../../../helpers/api.js';
import { rejection } from '../../../helpers/rejection.js';
import { run, until } from '../../../helpers/system/exec.js';
import { isAlive } from '../../../helpers/system/process.js';
import { makeService } from '../service.js';
import type { Suite } from '../suite-module.js';
import { web, writeDocumentedUnits } from '../web-service.js';

export const title = 'services of systemd, when something is in the way';

export const suite: Suite = {
  'systemd sees that a restored service has ended, and starts it anew if it is to': async (
    scope,
  ) => {
    const service = await makeService(scope, 'web.service', web('Restart=always', 'RestartSec=0'));
    await writeDocumentedUnits(scope);
    await service.start();
    const pid = await service.mainPid();
    await service.countsBeyond(2);
    const imagePath = join(await scope.directory(), 'images');
    await dump({ unit: 'web' }, { imagePath });
    await service.ends();
    assert.equal(await service.property('ActiveState'), 'inactive');
    await restore(imagePath, { unit: 'web' });
    process.kill(pid, 'SIGTERM');
    const next = await until('there is another one', async () => {
      const other = await service.mainPid();
      return other !== 0 && other !== pid && other;
    });
    assert.ok(isAlive(next));
    assert.equal(await service.property('NRestarts'), '1');
  },

  'a service that cannot be restored says why, and is as it was': async (scope) => {
    const service = await makeService(scope, 'web.service', web('Restart=always'));
    await writeDocumentedUnits(scope);
    await service.start();
    await service.countsBeyond(2);
    const imagePath = join(await scope.directory(), 'images');
    await dump({ unit: 'web' }, { imagePath });
    await service.ends();
    await rm(join(imagePath, 'files.img'));
    const error = await rejection(restore(imagePath, { unit: 'web' }));
    assert.equal(error.code, 'ERR_RUNTIME_FAILED');
    assert.match(error.message, /^systemd could not restore web\.service: CRIU /);
    assert.equal(
      await service.property('DropInPaths'),
      '/etc/systemd/system/web.service.d/checkpoint.conf',
    );
    await service.start();
    await service.countsBeyond(2);
  },

  'what is in the cgroup of a service but not below its main process is told': async (scope) => {
    const daemon = "/bin/busybox sh -c '(setsid sleep 1000 &); exec /bin/busybox sleep 999'";
    const unit = `[Service]\nExecStart=${daemon}\n`;
    const service = await makeService(scope, 'web.service', unit);
    await service.start();
    const pid = await service.mainPid();
    await until('its daemon is there', async () => {
      const { stdout } = await run('pgrep', ['-f', 'sleep 1000']);
      return stdout !== '';
    });
    const imagePath = join(await scope.directory(), 'images');
    const result = await dump({ unit: 'web' }, { imagePath });
    assert.equal(result.pid, pid);
    assert.match(result.warnings.join('\n'), /is of web\.service but not below its main process/);
  },

  'a service that does not run is told, with what may be meant': async (scope) => {
    const service = await makeService(scope, 'web-server.service', web());
    await service.start();
    const imagePath = join(await scope.directory(), 'images');
    const error = await rejection(dump({ unit: 'web-sever' }, { imagePath }));
    assert.equal(error.code, 'ERR_PROCESS_NOT_FOUND');
    assert.match(
      error.message,
      /web-sever\.service does not run; did you mean web-server\.service/,
    );
    assert.ok(!existsSync(imagePath));
  },
};
