import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Scope } from '../scope.js';
import { until } from '../system/exec.js';

/** Asks again and again on connections that stay open, and prints a byte for each answer. */
const client = `
  import { Agent, get } from 'node:http';
  const agent = new Agent({ keepAlive: true });
  const ask = () => {
    const request = get({ port: Number(process.argv[1]), host: '127.0.0.1', agent }, (response) => {
      response.resume().on('end', () => {
        process.stdout.write('.');
        setTimeout(ask, 1);
      });
    });
    // Of a connection that has been reset nothing is hidden: the process ends.
    request.on('error', (error) => {
      console.error(error);
      process.exit(1);
    });
  };
  for (let i = 0; i < 4; i++) ask();
`;

/** A client of an HTTP server on this machine, in a process of its own. */
export class HttpLoad {
  answers = 0;
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#child = child;
    child.stdout?.on('data', (bytes: Buffer) => {
      this.answers += bytes.length;
    });
  }

  /** @param networkOf - A process in whose network namespace the server is. */
  static async start(scope: Scope, port: number, networkOf: number): Promise<HttpLoad> {
    const node = [process.execPath, '--input-type=module', '-e', client, '--', String(port)];
    const child = spawn('nsenter', ['-t', String(networkOf), '-n', ...node], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    scope.defer(async () => {
      const gone = child.exitCode === null ? once(child, 'exit') : undefined;
      child.kill('SIGKILL');
      await gone;
    });
    const load = new HttpLoad(child);
    await load.goesOn();
    return load;
  }

  /** Waits until the server has answered this often from now on, on each connection. */
  async goesOn(): Promise<void> {
    const { answers } = this;
    await until('the server answers', () => {
      if (this.#child.exitCode !== null) throw new Error('a connection was broken');
      return this.answers >= answers + 8;
    });
  }
}
