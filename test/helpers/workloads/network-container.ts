import { type ChildProcess, spawn } from 'node:child_process';
import { copyFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type CheckpointOptions, checkpoint, decodeImage } from '../api.js';
import type { Scope } from '../scope.js';
import { runOk } from '../system/exec.js';
import { workloadBinary } from '../system/process.js';
import { type Container, startContainer } from './container.js';

/** The port of a server in the container. */
export const port = 4711;

const binary = (): Promise<string> => workloadBinary('network');

/**
 * A container that runs `network.c`.
 *
 * @param network - A path of the network namespace that it joins; else it gets one of its own.
 */
export async function startNetworkContainer(
  scope: Scope,
  args: readonly string[],
  network?: string,
): Promise<Container> {
  const program = await binary();
  return await startContainer(scope, {
    // The name tells startContainer() what to wait for.
    args: ['/workload', '/ready', ...args],
    configure: ({ process, linux }, { rootfs }) => {
      copyFileSync(program, join(rootfs, 'workload'));
      const sets = process['capabilities'] as Record<string, string[]>;
      for (const set of ['bounding', 'effective', 'permitted']) sets[set]?.push('CAP_NET_RAW');
      const own = linux.namespaces.find(({ type }) => type === 'network');
      if (own !== undefined && network !== undefined) own.path = network;
    },
  });
}

/** A network namespace that outlives the containers in it. */
export async function makeNetwork(scope: Scope, name: string): Promise<string> {
  await runOk('ip', ['netns', 'add', name]);
  scope.defer(() => runOk('ip', ['netns', 'delete', name]));
  await runOk('ip', ['-n', name, 'link', 'set', 'lo', 'up']);
  return `/run/netns/${name}`;
}

/** Somebody else in the network of a container, who is not dumped with it. */
export class Peer {
  readonly #child: ChildProcess;
  readonly #file: string;
  #output = '';

  private constructor(child: ChildProcess, file: string) {
    this.#child = child;
    this.#file = file;
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.#output += text;
    });
  }

  /** @param what - A mode of `network.c`: `pour`, `knock`, `flood`. */
  static async start(scope: Scope, network: string, what: string): Promise<Peer> {
    const file = join(await scope.directory(), 'as-long-as');
    writeFileSync(file, '');
    const args = [`--net=${network}`, await binary(), '-', what, String(port), file];
    const child = spawn('nsenter', args, { stdio: ['ignore', 'pipe', 'inherit'] });
    scope.defer(() => void child.kill('SIGKILL'));
    return new Peer(child, file);
  }

  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Ends it, and gives the numbers that it prints. */
  async end(): Promise<number[]> {
    const ended = new Promise((resolve) => this.#child.once('close', resolve));
    rmSync(this.#file);
    const status = await ended;
    if (status !== 0) throw new Error(`the peer ended with ${String(status)}`);
    return this.#output.trim().split(' ').map(Number);
  }
}

let number = 0;

/** Checkpoints it, and tells how the images say that its network was locked. */
export async function lockIn(
  container: Container,
  options: CheckpointOptions = {},
): Promise<string> {
  number += 1;
  const imagePath = container.path(`lock-${number}`);
  const { stateRoot } = container;
  await checkpoint(container.id, { stateRoot, imagePath, leaveRunning: true, ...options });
  return lockOf(imagePath);
}

const methods = ['iptables', 'nftables', 'skip'];

/** How the images in a directory say that the network was locked. */
export async function lockOf(imagePath: string): Promise<string> {
  const { entries } = await decodeImage(join(imagePath, 'inventory.img'));
  const { network_lock_method: method } = entries[0] as { network_lock_method?: number };
  return methods[method ?? 0] ?? String(method);
}
