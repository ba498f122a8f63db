import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import {
  criuReleases,
  majorOf,
  type Run,
  readRuns,
  releaseOf,
  runOf,
  systems,
} from '../../../scripts/support/cells.mjs';
import { insertSupport, renderSupport } from '../../../scripts/support/table.mjs';
import { nodeMajors, nodeVersion } from '../../../tools/node-releases.mjs';
import { projectRoot } from '../../helpers/paths.js';

const runs = readRuns();

describe('what the table of systems and versions tells', () => {
  test.each(runs)(
    'was run with what tests use: $system, $node, $criu',
    ({ node, criu, ...run }) => {
      expect(systems).toContain(run.system);
      expect(existsSync(join(projectRoot, run.test)), run.test).toBe(true);
      if (criu !== null) expect(criuReleases).toContain(releaseOf(criu));
      if (node === null) return;
      const major = nodeMajors.find((one) => one === majorOf(node));
      expect(nodeMajors).toContain(major);
      // The oldest is the one that the machine has.
      if (major !== undefined && major !== 20) expect(node).toBe(nodeVersion(major));
    },
  );

  test('is one run for each cell', () => {
    expect(new Set(runs.map((run) => runOf(runs, run))).size).toBe(runs.length);
  });
});

/** The rows of the table, without its head. */
const rowsOf = (all: readonly Run[]): string[][] =>
  renderSupport(all)
    .split('\n')
    .filter((line) => line.startsWith('| `'))
    .map((line) => line.split('|').map((cell) => cell.trim()));

describe('the table', () => {
  test('has a cell for each system, CRIU and Node.js: run, or not run and how far it went', () => {
    const rows = rowsOf(runs);
    for (const system of systems) {
      const its = rows.filter(([, name]) => name === `\`${system}\``);
      expect([1, criuReleases.length]).toContain(its.length);
      for (const [, , , ...cells] of its) {
        expect(cells.slice(0, -1)).toHaveLength(nodeMajors.length);
        for (const cell of cells.slice(0, -1)) {
          expect(cell).toMatch(
            /^(?:run|not run|not run, loaded|not run, loaded without Node\.js) \[\d+\]$/,
          );
        }
      }
    }
  });

  test('says "not run" where no run is, with a reason', () => {
    const [first = runs[0]] = runs.filter(({ criu }) => criu?.startsWith('3.17'));
    const without = rowsOf(runs.filter((run) => run !== first)).flat();
    const count = (cells: string[]) => cells.filter((cell) => cell.startsWith('not run')).length;
    expect(count(without)).toBe(count(rowsOf(runs).flat()) + 1);
    expect(count(rowsOf([]).flat())).toBe(systems.length * nodeMajors.length);
  });

  test('tells of a failed run what it told before it was ever run', () => {
    const page = '<!-- support begin -->\nold\n<!-- support end -->\nafter';
    const made = insertSupport(page, []);
    expect(made).toContain('not run');
    expect(made).not.toContain('old');
    expect(insertSupport(made, [])).toBe(made);
    expect(() => insertSupport('no marks', [])).toThrow('support begin');
  });
});
