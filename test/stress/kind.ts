import type { Bench } from './bench.js';
import type { Trial } from './trial.js';

/** One kind of fault: what the command calls it, and how it is brought about. */
export interface Kind {
  name: string;
  /** What is done, in a few words. */
  what: string;
  /** What the process under stress has in its environment, made when it is needed. */
  environment?: (directory: string) => Promise<Record<string, string>>;
  /** Every fault, one after the other. */
  run(bench: Bench): AsyncGenerator<Trial>;
  /** The same fault under `criu dump` without us, where CRIU itself cannot keep a promise. */
  alone?: (bench: Bench) => Promise<Alone>;
}

/** How plain CRIU fared. */
export interface Alone {
  injected: number;
  /** After how many the tasks were gone, held, frozen, damaged or without network. */
  harmed: number;
  /** What happened how often. */
  how: Record<string, number>;
}
