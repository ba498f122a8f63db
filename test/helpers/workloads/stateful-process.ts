import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Scope } from '../scope.js';
import { until } from '../system/exec.js';
import { startWorkload, type Workload } from '../system/process.js';

/** A process whose memory is known beforehand and which counts (mode `state`), wherever it is. */
export class StatefulProcess {
  readonly workload: Workload;
  readonly #log: string;

  constructor(workload: Workload, log: string) {
    this.workload = workload;
    this.#log = log;
  }

  get pid(): number {
    return this.workload.pid;
  }

  /** The numbers that it has counted. */
  ticks(): number[] {
    const text = readFileSync(this.#log, 'latin1');
    const lines = text.slice(0, text.lastIndexOf('\n') + 1).split('\n');
    return lines.slice(0, -1).map((line) => Number(line.split(' ')[0]));
  }

  /** Waits until it counts on from now. */
  async countsOn(): Promise<void> {
    const before = this.ticks().length;
    await until('the process counts on', () => this.ticks().length > before, 20_000);
  }

  /** Has it look at all of its memory; "intact", or what is wrong. */
  async verdict(): Promise<string> {
    writeFileSync(`${this.#log}.check`, '');
    const path = `${this.#log}.verdict`;
    const complete = (): boolean => existsSync(path) && readFileSync(path, 'utf8').endsWith('\n');
    await until('the verdict', complete, 60_000);
    return readFileSync(path, 'utf8').trim();
  }

  /** It went on exactly where it was: no tick is missing, none came twice. */
  hasNoGap(): boolean {
    return this.ticks().every((number, index) => number === index + 1);
  }
}

export async function startStatefulProcess(
  scope: Scope,
  mebibytes: number,
): Promise<StatefulProcess> {
  const log = join(await scope.directory(), 'log');
  return new StatefulProcess(await startWorkload(scope, ['state', mebibytes, log]), log);
}
