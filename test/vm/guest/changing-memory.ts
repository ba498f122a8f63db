import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Scope } from '../../helpers/cleanup.js';
import { until } from '../../helpers/system/exec.js';
import { startWorkload, type Workload } from '../../helpers/system/process.js';
import { type Container, startContainer } from '../../helpers/workloads/container.js';

/** Memory whose content a test can change and compare: the workload's mode `change`. */
export class ChangingMemory {
  readonly #file: string;
  readonly #pid: () => number;

  /** @param pid - Asked each time: a restored container has another one. */
  constructor(file: string, pid: () => number) {
    this.#file = file;
    this.#pid = pid;
  }

  /** Changes its share of the pages, and gives the checksum then. */
  async change(): Promise<string> {
    return this.#request('SIGUSR1');
  }

  /** The checksum of the whole memory as it is now, computed by the process itself. */
  async checksum(): Promise<string> {
    return this.#request('SIGUSR2');
  }

  async ready(): Promise<void> {
    await until('the memory is filled', () => existsSync(this.#file));
  }

  async #request(signal: NodeJS.Signals): Promise<string> {
    const [before] = this.#report();
    process.kill(this.#pid(), signal);
    return until(`${signal} is answered`, () => {
      const [number, sum] = this.#report();
      return number === before + 1 ? sum : undefined;
    });
  }

  #report(): [number: number, sum: string] {
    const [number, sum = ''] = readFileSync(this.#file, 'utf8').trim().split(' ');
    return [Number(number), sum];
  }
}

export async function changingProcess(
  scope: Scope,
  mebibytes: number,
  percent: number,
): Promise<{ workload: Workload; memory: ChangingMemory }> {
  const file = join(await scope.directory(), 'sum');
  const workload = await startWorkload(scope, ['change', mebibytes, percent, file]);
  return { workload, memory: new ChangingMemory(file, () => workload.pid) };
}

export async function changingContainer(
  scope: Scope,
  mebibytes: number,
  percent: number,
): Promise<{ container: Container; memory: ChangingMemory }> {
  const args = ['/workload', '-', 'change', String(mebibytes), String(percent), '/sum'];
  const container = await startContainer(scope, { args });
  const memory = new ChangingMemory(join(container.rootfs, 'sum'), () => container.pid);
  await memory.ready();
  return { container, memory };
}
