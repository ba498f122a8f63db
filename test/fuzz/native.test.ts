import { readdirSync } from 'node:fs';
import { resolve } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { buildPrograms, fuzz, programs } from './programs.mjs';
import { fuzzSeconds } from './seconds.js';

const buildLimitMs = 600_000;

describe('a reader of native/ crashes for no input', () => {
  beforeAll(buildPrograms, buildLimitMs);

  test.each(programs)('%s', { timeout: (fuzzSeconds + 120) * 1000 }, async (name) => {
    const corpus = readdirSync(resolve(import.meta.dirname, 'corpus', name));
    expect(corpus).not.toEqual([]);
    process.stdout.write(`${name}: ${await fuzz(name, fuzzSeconds)}\n`);
  });
});
