import { Script } from 'node:vm';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { errnoOf } from '../../lib/base/errors.js';
import { CriuError } from '../../lib/index.js';
import { mutations, readCorpus } from './mutations.js';
import { type Reader, Wrong } from './reader.js';
import { readers } from './readers.js';
import { fuzzSeconds } from './seconds.js';

/** What an input of a few hundred KiB may take. */
const limitMs = 2000;

const call = { read: (): unknown => undefined };
Object.assign(globalThis, { fuzzedCall: call });
/** Only what runs as a script can be ended where it never comes to an end. */
const script = new Script('fuzzedCall.read()');

/** Throws where a reader does not what it promises. */
async function check({ throws, read }: Reader, input: Buffer): Promise<void> {
  const startedAt = performance.now();
  call.read = () => read(input);
  try {
    await script.runInThisContext({ timeout: limitMs });
  } catch (error) {
    const isOver = errnoOf(error) === 'ERR_SCRIPT_EXECUTION_TIMEOUT';
    if (error instanceof Wrong || isOver) throw error;
    const code = error instanceof CriuError ? error.code : 'Error';
    if (!throws.includes(code)) throw error;
  }
  const took = performance.now() - startedAt;
  if (took > limitMs) throw new Wrong(`${input.length} bytes took ${Math.round(took)} ms`);
}

describe('a reader of lib/ takes whatever is written', () => {
  test.each(readers)('$name', { timeout: (fuzzSeconds + 120) * 1000 }, async (reader) => {
    const corpus = readCorpus(reader.name);
    expect(corpus).not.toEqual([]);
    for (const input of corpus) await check(reader, input);
    const property = fc.asyncProperty(mutations(corpus), (input) => check(reader, input));
    await fc.assert(property, {
      numRuns: Number.MAX_SAFE_INTEGER,
      interruptAfterTimeLimit: fuzzSeconds * 1000,
      markInterruptAsFailure: false,
    });
  });
});
