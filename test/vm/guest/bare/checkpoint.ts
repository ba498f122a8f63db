import assert from 'node:assert/strict';
import { readFileSync, statfsSync } from 'node:fs';
import { checkpoint, features } from '../../../helpers/api.js';
import { startContainer } from '../../../helpers/workloads/container.js';
import type { Suite } from '../suite-module.js';

export const title = 'checkpoint on another kernel';

export const suite: Suite = {
  'the kernel tracks memory and has nothing but cgroup v2': async () => {
    assert.equal((await features()).memTrack, true);
    assert.equal(statfsSync('/sys/fs/cgroup').type, 0x63677270);
    assert.match(readFileSync('/proc/self/cgroup', 'utf8'), /^0::\/\n$/);
  },
  'a container is checkpointed, restored by runc, and counts on': async (scope) => {
    const container = await startContainer(scope);
    const imagePath = container.path('images');
    await checkpoint(container.id, { stateRoot: container.stateRoot, imagePath });
    assert.equal(await container.status(), undefined);
    await container.restore(imagePath);
    await container.countsOn();
  },
};
