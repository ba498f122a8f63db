// @ts-check
// Two hosts and a client on one machine: pid, network and mount namespaces for each host, a veth
// pair between them, and one from each to the client, which is here.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

/** The address of the server, on whichever host it is. */
export const serviceAddress = '10.77.0.1';
export const servicePort = 7777;
/** Where each host has its images, on a mount of its own. */
export const imagesDirectory = '/tmp/libcriu-migrate';

/** @param {string[]} args of ip or tc */
function network(...args) {
  const [command = '', ...rest] = args;
  const { status, stderr } = spawnSync(command, rest, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${args.join(' ')}: ${stderr}`);
}

/** A host: a process in namespaces of its own that makes calls for us. */
export class Host {
  #child;
  #last = 0;
  /** @type {Map<number, (reply: {value?: any, error?: string}) => void>} */
  #waiting = new Map();

  /** @param {string} name @param {string} address on the link to the other host */
  constructor(name, address) {
    this.name = name;
    this.address = address;
    const agent = fileURLToPath(new URL('agent.mjs', import.meta.url));
    const namespaces = ['--pid', '--net', '--mount', '--fork', '--kill-child', '--mount-proc'];
    this.#child = spawn('unshare', [...namespaces, process.execPath, agent], {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    /** Its first word. */
    this.started = this.#answer(0);
    this.#child.on('message', (/** @type {any} */ reply) => this.#waiting.get(reply.id)?.(reply));
    this.#child.on('exit', () => {
      for (const settle of this.#waiting.values()) settle({ error: `host ${name} is gone` });
    });
  }

  get pid() {
    return this.#child.pid ?? 0;
  }

  /**
   * Makes a call of agent.mjs.
   *
   * @param {string} call
   * @param {unknown[]} args
   */
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
    if (error !== undefined) throw new Error(`${this.name}: ${error}`);
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
 * Makes both, in a network namespace in which nothing else is.
 *
 * @param {string} rate of the link between them, as tc has it
 */
export async function makeHosts(rate) {
  const [source, target] = [new Host('source', '10.77.3.1'), new Host('target', '10.77.3.2')];
  const link = ['type', 'veth', 'peer', 'name'];
  for (const [index, host] of [source, target].entries()) {
    await host.started;
    await host.call('setUp', imagesDirectory);
    const subnet = `10.77.${index + 1}`;
    network('ip', 'link', 'add', host.name, ...link, 'client', 'netns', String(host.pid));
    network('ip', 'address', 'add', `${subnet}.1/30`, 'dev', host.name);
    network('ip', 'link', 'set', host.name, 'up');
    await host.call('run', 'ip', 'address', 'add', `${subnet}.2/30`, 'dev', 'client');
    await host.call('run', 'ip', 'link', 'set', 'client', 'up');
    // Both answer to it; the client's route decides.
    await host.call('run', 'ip', 'address', 'add', `${serviceAddress}/32`, 'dev', 'lo');
  }
  const ends = ['netns', String(source.pid), ...link, 'peer', 'netns', String(target.pid)];
  network('ip', 'link', 'add', 'peer', ...ends);
  for (const host of [source, target]) {
    await host.call('run', 'ip', 'address', 'add', `${host.address}/30`, 'dev', 'peer');
    await host.call('run', 'ip', 'link', 'set', 'peer', 'up');
    const limit = ['tbf', 'rate', rate, 'burst', '256kb', 'latency', '50ms'];
    await host.call('run', 'tc', 'qdisc', 'add', 'dev', 'peer', 'root', ...limit);
  }
  return { source, target };
}

/** Sends the client's questions to that host from now on. @param {Host} host */
export function routeTo(host) {
  const gateway = host.name === 'source' ? '10.77.1.2' : '10.77.2.2';
  network('ip', 'route', 'replace', `${serviceAddress}/32`, 'via', gateway);
}
