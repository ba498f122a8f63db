// @ts-check
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { root } from '../../tools/paths.mjs';
import { run } from '../../tools/process.mjs';

const agent = join(import.meta.dirname, 'transfer-host.mjs');

/** A process with network, pid and mount namespaces of its own: transfer-host.mjs. */
export class TransferHost {
  #child;
  #last = 0;
  /** @type {Map<number, (reply: {value?: any, error?: string}) => void>} */
  #waiting = new Map();

  /**
   * @param {import('./context.mjs').Context} context
   * @param {string} address
   */
  constructor({ installation: { binary, library }, harnessProgram, workload }, address) {
    this.address = address;
    const namespaces = ['--pid', '--net', '--mount', '--fork', '--kill-child', '--mount-proc'];
    const program = [process.execPath, agent, join(root, 'dist/index.js')];
    const args = [...namespaces, ...program, harnessProgram, binary, library, workload];
    this.#child = spawn('unshare', args, { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
    /** Its first word. */
    this.started = this.#answer(0);
    this.#child.on('message', (/** @type {any} */ reply) => this.#waiting.get(reply.id)?.(reply));
    this.#child.on('exit', () => {
      for (const settle of this.#waiting.values()) settle({ error: 'the host is gone' });
    });
  }

  get pid() {
    return String(this.#child.pid);
  }

  /** @param {string} call of transfer-host.mjs @param {unknown[]} args */
  async call(call, ...args) {
    const id = ++this.#last;
    const answer = this.#answer(id);
    this.#child.send({ id, call, args });
    return answer;
  }

  /** @param {number} id */
  async #answer(id) {
    const { value, error } = await new Promise((resolve) => this.#waiting.set(id, resolve));
    this.#waiting.delete(id);
    if (error !== undefined) throw new Error(error);
    return value;
  }

  async close() {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const gone = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await gone;
  }
}

/**
 * Two hosts with a veth pair between them.
 *
 * @param {import('./context.mjs').Context} context
 * @param {import('./scope.mjs').Scope} scope which ends them
 */
export async function startTwoHosts(context, scope) {
  const hosts = ['10.78.0.1', '10.78.0.2'].map((address) => {
    const host = new TransferHost(context, address);
    scope.defer(() => host.close());
    return host;
  });
  const [source, target] = /** @type {[TransferHost, TransferHost]} */ (hosts);
  await Promise.all(hosts.map(({ started }) => started));
  const ends = ['netns', source.pid, 'type', 'veth', 'peer', 'name', 'pair', 'netns', target.pid];
  await run('ip', ['link', 'add', 'name', 'pair', ...ends]);
  for (const { pid, address } of hosts) {
    const inside = ['-t', pid, '-n', 'ip'];
    await run('nsenter', [...inside, 'address', 'add', `${address}/30`, 'dev', 'pair']);
    await run('nsenter', [...inside, 'link', 'set', 'pair', 'up']);
    await run('nsenter', [...inside, 'link', 'set', 'lo', 'up']);
  }
  return { source, target };
}
