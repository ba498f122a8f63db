import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { checkpoint } from '../../helpers/api.js';
import { settings } from '../../helpers/criu/settings.js';
import { requireNeeds } from '../../helpers/needs.js';
import { Scope, useScope } from '../../helpers/scope.js';
import { brokenTicks, type Container, startContainer } from '../../helpers/workloads/container.js';

const scope = useScope();
beforeAll(() =>
  requireNeeds('root', 'criu', 'libcriu', 'build', 'runc', 'busybox', 'gcc', 'iptables'),
);

const rounds = 20;

describe(`runc restores ${rounds} times of ${rounds} images taken with`, () => {
  // One container that only appends: it goes through every round, so that a line of its log that
  // is missing or doubled tells of a round that did not restore what was saved.
  const shared = new Scope();
  let container: Container;
  let images = 0;
  beforeAll(async () => {
    container = await startContainer(shared);
  });
  afterAll(() => shared.close());

  test.each(settings)('%s', async (_, options) => {
    for (let round = 1; round <= rounds; round++) {
      images += 1;
      const imagePath = container.path(`images-${images}`);
      await checkpoint(container.id, { ...options, stateRoot: container.stateRoot, imagePath });
      expect(await container.status()).toBeUndefined();
      const saved = (await container.ticks()).length;
      await container.restore(imagePath);
      expect(container.freezer, `round ${round}`).toBe('THAWED');
      await container.countsOn(2);
      const ticks = await container.ticks();
      expect(ticks.length).toBeGreaterThan(saved);
      expect(brokenTicks(ticks), `round ${round}`).toEqual([]);
    }
    expect(await container.status()).toBe('running');
  });
});

test.each(settings)(
  'a container left running is restored in a later life: %s',
  async (_, options) => {
    // Nothing but memory: its files cannot have gone on without the images.
    const container = await startContainer(scope, { args: ['/workload', '-', 'memory', '4'] });
    const imagePath = container.path('images');
    await checkpoint(container.id, {
      ...options,
      stateRoot: container.stateRoot,
      imagePath,
      leaveRunning: true,
    });
    expect(container.isRunning).toBe(true);
    await container.runcOk('delete', '--force', container.id);
    await container.restore(imagePath);
    expect(await container.status()).toBe('running');
    expect(container.freezer).toBe('THAWED');
  },
);
