import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { checkpoint } from '../../helpers/api.js';
import { requireNeeds } from '../../helpers/needs.js';
import { useScope } from '../../helpers/scope.js';
import { runOk, sleep, until } from '../../helpers/system/exec.js';
import { firewallRules } from '../../helpers/system/leaks.js';
import type { Container } from '../../helpers/workloads/container.js';
import {
  lockIn,
  lockOf,
  makeNetwork,
  Peer,
  port,
  startNetworkContainer,
} from '../../helpers/workloads/network-container.js';

const scope = useScope();
beforeAll(() => requireNeeds('root', 'criu', 'libcriu', 'runc', 'busybox', 'gcc', 'ip', 'nft'));

let number = 0;

async function startServer(): Promise<{ container: Container; network: string }> {
  number += 1;
  const network = await makeNetwork(scope, `libcriu-traffic-${process.pid}-${number}`);
  const container = await startNetworkContainer(scope, ['serve', String(port), '/log'], network);
  return { container, network };
}

/** Ends the container with its images, and has runc bring it back. */
async function moveOn(container: Container): Promise<string> {
  const imagePath = container.path('images');
  const { stateRoot } = container;
  await checkpoint(container.id, { stateRoot, imagePath, tcpEstablished: true });
  await container.restore(imagePath, '--tcp-established');
  return lockOf(imagePath);
}

const logOf = (container: Container): string[] => {
  const text = readFileSync(join(container.rootfs, 'log'), 'utf8');
  return text.slice(0, text.lastIndexOf('\n')).split('\n');
};

describe('nothing is lost', () => {
  test('of what a peer sends meanwhile over an established connection', async () => {
    const { container, network } = await startServer();
    const peer = await Peer.start(scope, network, 'pour');
    await sleep(100);
    for (let round = 0; round < 3; round++) {
      expect(await lockIn(container, { tcpEstablished: true })).toBe('nftables');
    }
    expect(await moveOn(container)).toBe('nftables');
    await sleep(100);
    const [sent] = await peer.end();
    await until('the server has all', () => logOf(container).length > 0);
    expect(logOf(container)).toEqual([`${sent} intact`]);
  });

  test('of the connections that are made meanwhile to one that listens', async () => {
    const { container, network } = await startServer();
    const peers = await Promise.all([1, 2, 3].map(() => Peer.start(scope, network, 'knock')));
    await sleep(100);
    for (let round = 0; round < 8; round++) {
      // Between the freeze and the lock some are made that nobody can accept yet.
      const options = { tcpEstablished: true, tcpSkipInFlight: true };
      expect(await lockIn(container, options)).toBe('nftables');
    }
    const counts = await Promise.all(peers.map((peer) => peer.end()));
    for (const [knocks = 0, inVain] of counts) {
      expect(knocks).toBeGreaterThan(20);
      expect(inVain).toBe(0);
    }
  });

  test('of a listener that is flooded with SYNs', async () => {
    const { container, network } = await startServer();
    // Nobody takes an answer, or tells the listener that there is no such connection.
    const rules =
      'table inet t { chain c { type filter hook output priority 0; tcp flags & rst == rst drop; }; }';
    await runOk('nsenter', [`--net=${network}`, 'nft', rules]);
    const flood = await Peer.start(scope, network, 'flood');
    await sleep(100);
    for (let round = 0; round < 3; round++) expect(await lockIn(container)).toBe('nftables');
    expect(await moveOn(container)).toBe('nftables');
    const [syns] = await flood.end();
    expect(syns).toBeGreaterThan(1000);
    const knock = await Peer.start(scope, network, 'knock');
    await sleep(200);
    const [knocks = 0, inVain] = await knock.end();
    expect(knocks).toBeGreaterThan(0);
    expect(inVain).toBe(0);
  });
});

test('a container without a socket comes back where others go on talking', async () => {
  const { container: server, network } = await startServer();
  const peer = await Peer.start(scope, network, 'pour');
  const container = await startNetworkContainer(scope, ['hold', 'unix'], network);
  await moveOn(container);
  expect(container.isRunning).toBe(true);
  expect(await firewallRules(server.pid)).not.toMatch(/criu/i);
  const [sent] = await peer.end();
  await until('the server has all', () => logOf(server).length > 0);
  expect(logOf(server)).toEqual([`${sent} intact`]);
});
