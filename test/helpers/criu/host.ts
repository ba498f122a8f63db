import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { projectRoot } from '../paths.js';
import type { Scope } from '../scope.js';
import { run, runOk, until } from '../system/exec.js';
import { allProcesses } from '../system/process.js';

interface Reply {
  id: number;
  value?: unknown;
  error?: { name: string; code: string; message: string; stage?: string; log?: string[] };
}

/** A spare has no such command. */
function serves(pid: number): boolean {
  try {
    return /\0(page-server|lazy-pages)\0/.test(readFileSync(`/proc/${pid}/cmdline`, 'latin1'));
  } catch {
    return false;
  }
}

let number = 0;

/**
 * Another host: pid, network and mount namespaces of its own, joined to ours by a veth pair, and in
 * them a Node process with the built package (children/host.mjs).
 */
export class Host {
  /** Its end of the pair, and ours. */
  readonly address: string;
  readonly ourAddress: string;
  /** The name of our end. */
  readonly link: string;
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, (reply: Reply) => void>();
  #last = 0;

  constructor(child: ChildProcess, network: number) {
    this.#child = child;
    const subnet = `10.213.${(process.pid + network) % 250}`;
    this.address = `${subnet}.2`;
    this.ourAddress = `${subnet}.1`;
    this.link = `criu${process.pid % 100_000}a${network}`;
    child.on('message', (reply: Reply) => {
      this.#waiting.get(reply.id)?.(reply);
      this.#waiting.delete(reply.id);
    });
    child.once('exit', () => {
      for (const [id, settle] of this.#waiting) {
        settle({ id, error: { name: 'Error', code: 'HOST_GONE', message: 'the host is gone' } });
      }
    });
  }

  /** A method of children/host.mjs. */
  async call<T = unknown>(method: string, ...args: unknown[]): Promise<T> {
    this.#last += 1;
    const id = this.#last;
    const answered = this.#next(id);
    this.#child.send({ id, method, args });
    const { value, error } = await answered;
    if (error) throw Object.assign(new Error(error.message), error);
    return value as T;
  }

  /** Resolves when the process there is ready. */
  started(): Promise<unknown> {
    return this.#next(0);
  }

  /** The pid, as we see it, of the criu that its process has started to serve. */
  get servingCriu(): number | undefined {
    const all = allProcesses();
    const init = all.find(({ parent }) => parent === this.#child.pid)?.pid;
    return all.find(
      ({ pid, parent, name, state }) =>
        parent === init && name === 'criu' && state !== 'Z' && serves(pid),
    )?.pid;
  }

  /** From now on so much leaves us for it in a second, and as much comes back. */
  async throttle(rate: string): Promise<void> {
    const limit = ['root', 'tbf', 'rate', rate, 'burst', '128kb', 'latency', '50ms'];
    await runOk('tc', ['qdisc', 'replace', 'dev', this.link, ...limit]);
    await this.inNetwork('tc', 'qdisc', 'replace', 'dev', 'far', ...limit);
  }

  /** Runs a command of ours in its network. */
  async inNetwork(command: string, ...args: string[]): Promise<void> {
    await runOk('nsenter', ['-n', '-t', String(this.pid), command, ...args]);
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** The power goes off. */
  async kill(): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      const gone = new Promise((resolve) => this.#child.once('exit', resolve));
      this.#child.kill('SIGKILL');
      await gone;
    }
  }

  #next(id: number): Promise<Reply> {
    return new Promise((resolve) => this.#waiting.set(id, resolve));
  }
}

export async function startHost(scope: Scope): Promise<Host> {
  const program = join(projectRoot, 'test/helpers/children/host.mjs');
  const namespaces = ['--pid', '--net', '--mount', '--fork', '--kill-child', '--mount-proc'];
  const child = spawn('unshare', [...namespaces, process.execPath, program], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  number += 1;
  const host = new Host(child, number);
  const { link } = host;
  scope.defer(() => host.kill());
  await host.started();
  await runOk('ip', [
    'link',
    'add',
    link,
    'type',
    'veth',
    'peer',
    'far',
    'netns',
    String(child.pid),
  ]);
  // It is gone already when the other end's namespace is.
  scope.defer(() => run('ip', ['link', 'delete', link]));
  await runOk('ip', ['address', 'add', `${host.ourAddress}/30`, 'dev', link]);
  await runOk('ip', ['link', 'set', link, 'up']);
  await host.call('network', 'far', host.address);
  await until('the hosts reach each other', async () => {
    const { code } = await run('ip', ['route', 'get', host.address]);
    return code === 0;
  });
  return host;
}
