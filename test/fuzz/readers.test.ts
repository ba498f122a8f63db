import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Script } from 'node:vm';
import * as fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { errnoOf } from '../../lib/base/errors.js';
import { CriuError } from '../../lib/index.js';
import { projectRoot } from '../helpers/paths.js';
import { Guide } from './guide.js';
import { mutations, readCorpus } from './mutations.js';
import { type Reader, Wrong } from './reader.js';
import { readers } from './readers.js';
import { fuzzSeconds } from './seconds.js';

/** What an input of a few hundred KiB may take of the processor. */
const limitMs = 2_000;
/** What one is given that never comes to an end: a busy machine may take long for what is in time. */
const hangMs = 60_000;
/** So many inputs are run before it is asked whether one of them went further. */
const batchSize = 20;
/** A longer input that comes further is not kept for later runs. */
const keptLength = 64 * 1024;

/** Where the coverage of all tests is measured, it is not to be taken away. */
const guide = process.env['LIBCRIU_COVERAGE'] === undefined ? new Guide() : undefined;
afterAll(() => guide?.stop());

const call = { read: (): unknown => undefined };
Object.assign(globalThis, { fuzzedCall: call });
/** Only what runs as a script can be ended where it never comes to an end. */
const script = new Script('fuzzedCall.read()');

/** Throws where a reader does not what it promises. */
async function check({ throws, read }: Reader, input: Buffer): Promise<void> {
  const before = process.cpuUsage();
  call.read = () => read(input);
  try {
    await script.runInThisContext({ timeout: hangMs });
  } catch (error) {
    const isOver = errnoOf(error) === 'ERR_SCRIPT_EXECUTION_TIMEOUT';
    if (error instanceof Wrong || isOver) throw error;
    const code = error instanceof CriuError ? error.code : 'Error';
    if (!throws.includes(code)) throw error;
  }
  const { user, system } = process.cpuUsage(before);
  const tookMs = (user + system) / 1000;
  if (tookMs > limitMs) throw new Wrong(`${input.length} bytes took ${Math.round(tookMs)} ms`);
}

/** A place for what belongs to a reader, beside that of the readers of native/. */
function placeFor(kind: 'found' | 'findings', name: string): string {
  const directory = join(projectRoot, 'build-cmake-fuzz', kind, name);
  mkdirSync(directory, { recursive: true });
  return directory;
}

function keep(directory: string, input: Buffer): string {
  const path = join(directory, createHash('sha1').update(input).digest('hex'));
  writeFileSync(path, input);
  return path;
}

/** The same, and keeps an input that shows it. */
async function checkKeeping(reader: Reader, input: Buffer): Promise<void> {
  try {
    await check(reader, input);
  } catch (cause) {
    const path = keep(placeFor('findings', reader.name), input);
    throw new Error(`${reader.name} fails for the input in ${path}`, { cause });
  }
}

/** What earlier and longer runs have come further with. */
function readFound(name: string): Buffer[] {
  const directory = placeFor('found', name);
  return readdirSync(directory).map((file) => readFileSync(join(directory, file)));
}

/**
 * Runs inputs until the time is over, and adds those to the corpus that come to new places. That one of
 * them has is asked once for all of them, because V8 takes its time to tell.
 *
 * @returns how many have run.
 */
async function run(
  reader: Reader,
  inputs: readonly Buffer[],
  corpus: Buffer[],
  end: number,
): Promise<number> {
  let count = 0;
  for (; count < inputs.length && performance.now() < end; count++) {
    await checkKeeping(reader, inputs[count] ?? Buffer.alloc(0));
  }
  if (guide?.hasComeFurther(false) !== true) return count;
  for (const input of inputs.slice(0, count)) {
    await checkKeeping(reader, input);
    if (!guide.hasComeFurther(true)) continue;
    corpus.push(input);
    if (input.length <= keptLength) keep(placeFor('found', reader.name), input);
  }
  return count;
}

describe('a reader of lib/ takes whatever is written', () => {
  // Named by `%s`: `$name` would put quotes around the names, by which scripts/fuzz.mjs chooses.
  const named = readers.map((reader) => [reader.name, reader] as const);
  test.each(named)('%s', { timeout: (fuzzSeconds + 120) * 1000 }, async (_name, reader) => {
    const corpus = readCorpus(reader.name);
    expect(corpus).not.toEqual([]);
    corpus.push(...readFound(reader.name));
    for (const input of corpus) await checkKeeping(reader, input);
    guide?.hasComeFurther(true);
    let count = 0;
    const end = performance.now() + fuzzSeconds * 1000;
    while (performance.now() < end) {
      count += await run(reader, fc.sample(mutations(corpus), batchSize), corpus, end);
    }
    if (fuzzSeconds > 10) {
      process.stdout.write(`${reader.name}: ${count} inputs, ${corpus.length} in the corpus\n`);
    }
  });
});
