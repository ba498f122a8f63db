import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { checkpoint } from '../../helpers/api.js';
import { requireNeeds } from '../../helpers/needs.js';
import { useScope } from '../../helpers/scope.js';
import { until } from '../../helpers/system/exec.js';
import { firewallRules } from '../../helpers/system/leaks.js';
import {
  lockIn,
  makeNetwork,
  startNetworkContainer,
} from '../../helpers/workloads/network-container.js';

const scope = useScope();
beforeAll(() => requireNeeds('root', 'criu', 'libcriu', 'runc', 'busybox', 'gcc', 'ip', 'nft'));

describe('the network is not locked', () => {
  test.each([['unix'], ['netlink'], ['unbound'], ['unix', 'netlink', 'unbound']])(
    'for %s sockets only',
    async (...kinds) => {
      const container = await startNetworkContainer(scope, ['hold', ...kinds]);
      expect(await lockIn(container)).toBe('skip');
    },
  );

  test('when the container was paused, which it stays', async () => {
    const container = await startNetworkContainer(scope, ['hold']);
    await container.pause();
    expect(await lockIn(container)).toBe('skip');
    expect(container.freezer).toBe('FROZEN');
  });
});

describe('the network is locked', () => {
  test.each(['tcp', 'tcp6', 'connection', 'udp', 'udp6', 'udplite', 'raw', 'raw6', 'packet'])(
    'for a %s socket',
    async (kind) => {
      const container = await startNetworkContainer(scope, ['hold', 'unix', kind]);
      expect(await lockIn(container, { tcpEstablished: true })).toBe('nftables');
    },
  );

  test('for a socket of a task that is not dumped', async () => {
    const network = await makeNetwork(scope, `libcriu-needed-${process.pid}`);
    const container = await startNetworkContainer(scope, ['hold'], network);
    const other = await startNetworkContainer(scope, ['later', '/now', 'tcp'], network);
    expect(await lockIn(container)).toBe('skip');
    writeFileSync(join(other.rootfs, 'now'), '');
    await until('the socket is open', () => !existsSync(join(other.rootfs, 'now')));
    expect(await lockIn(container)).toBe('nftables');
  });

  test('where the tasks are not frozen first', async () => {
    const container = await startNetworkContainer(scope, ['hold']);
    expect(await lockIn(container, { freezer: 'ptrace' })).toBe('nftables');
  });
});

test.each(['iptables', 'nftables', 'skip'] as const)('%s is what it says', async (networkLock) => {
  const empty = await startNetworkContainer(scope, ['hold']);
  const listening = await startNetworkContainer(scope, ['hold', 'tcp']);
  for (const container of [empty, listening]) {
    expect(await lockIn(container, { networkLock })).toBe(networkLock);
  }
});

test("CRIU's configuration file decides where it says how", async () => {
  const container = await startNetworkContainer(scope, ['hold']);
  const configFile = join(await scope.directory(), 'criu.conf');
  writeFileSync(configFile, 'network-lock iptables\n');
  expect(await lockIn(container, { configFile })).toBe('iptables');
  writeFileSync(configFile, 'log-file other.log\n');
  expect(await lockIn(container, { configFile })).toBe('skip');
});

describe('a task that opens a socket after the look', () => {
  /** It is let run for a moment by somebody, who knows nothing of the dump. */
  const thawed = async (kind: string): Promise<{ failure: unknown; rules: string }> => {
    const container = await startNetworkContainer(scope, ['later', '/now', kind]);
    const now = join(container.rootfs, 'now');
    const imagePath = container.path('images');
    const { stateRoot } = container;
    const preDump = async (): Promise<void> => {
      writeFileSync(join(container.freezerPath, 'freezer.state'), 'THAWED');
      writeFileSync(now, '');
      await until('the socket is open', () => !existsSync(now));
    };
    const dumping = checkpoint(container.id, {
      ...{ stateRoot, imagePath, leaveRunning: true, hooks: { preDump } },
    });
    const failure = await dumping.then(
      () => undefined,
      (error: unknown) => error,
    );
    expect(container.freezer).toBe('THAWED');
    expect(container.isRunning).toBe(true);
    // The next one finds it.
    if (kind !== 'unix') expect(await lockIn(container)).toBe('nftables');
    return { failure, rules: await firewallRules(container.pid) };
  };

  test.each(['tcp', 'udp6', 'raw'])('of %s has the dump fail', async (kind) => {
    const { failure, rules } = await thawed(kind);
    expect(failure).toMatchObject({
      code: 'ERR_CRIU_FAILED',
      stage: 'networkLock',
      message: expect.stringContaining('has opened a socket') as string,
    });
    expect(rules).not.toMatch(/criu/i);
  });

  test('of unix does not', async () => {
    expect((await thawed('unix')).failure).toBeUndefined();
  });
});
