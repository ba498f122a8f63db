import { rmSync } from 'node:fs';
import { Bench } from './bench.js';
import type { Alone, Kind } from './kind.js';
import { answersKind } from './kinds/answers.js';
import { criuKinds } from './kinds/criu.js';
import { crowdKind } from './kinds/crowd.js';
import { endKinds } from './kinds/ends.js';
import { guardKinds } from './kinds/guard.js';
import { nodeKinds } from './kinds/node.js';
import { restoreKinds } from './kinds/restore.js';
import { shortageKinds } from './kinds/shortage.js';
import { takenKind } from './kinds/taken.js';
import type { Trial } from './trial.js';

/** Every kind there is, in the order in which they run. */
export const kinds: readonly Kind[] = [
  ...criuKinds,
  ...nodeKinds,
  ...guardKinds,
  ...restoreKinds,
  ...shortageKinds,
  takenKind,
  answersKind,
  ...endKinds,
  crowdKind,
];

let current: Bench | undefined;

/** Takes away what the kind that runs has made, when the whole is interrupted. */
export async function cleanUp(): Promise<void> {
  await current?.end();
}

/** How one kind went. */
export interface Row {
  kind: string;
  what: string;
  injected: number;
  survived: number;
  trials: Trial[];
  losses: number;
  leaks: number;
  /** Faults after which tasks suffered that CRIU alone can answer for. */
  beyond: number;
  slowestMs: number;
  alone?: Alone;
  seconds: number;
}

/** Runs one kind to its end. What breaks the harness itself is a loss as well. */
export async function runKind(
  kind: Kind,
  { rounds, seed }: { rounds: number; seed: number },
  tell: (trial: Trial) => void = () => {},
): Promise<Row> {
  const start = performance.now();
  const bench = new Bench(rounds, seed);
  current = bench;
  const trials: Trial[] = [];
  let compared: Alone | undefined;
  const keep = (trial: Trial): void => {
    trials.push(trial);
    tell(trial);
  };
  const broken = (where: string, error: unknown): void => {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    keep({ fault: where, losses: [`the harness: ${text}`], leaks: [], beyond: [], endMs: 0 });
  };
  try {
    await bench.begin();
    if (kind.environment) await bench.replaceSubject(await kind.environment(bench.directory));
    for await (const trial of kind.run(bench)) keep(trial);
    if (kind.alone) compared = await kind.alone(bench);
  } catch (error) {
    broken('after the last fault', error);
  }
  try {
    const leaks = await bench.end();
    if (leaks.length > 0)
      keep({ fault: 'all of the above', losses: [], leaks, beyond: [], endMs: 0 });
  } catch (error) {
    broken('at the end', error);
    rmSync(bench.directory, { recursive: true, force: true });
  }
  const bad = trials.filter(({ losses }) => losses.length > 0).length;
  return {
    kind: kind.name,
    what: kind.what,
    injected: trials.length,
    survived: trials.length - bad,
    trials,
    losses: bad,
    leaks: trials.filter(({ leaks }) => leaks.length > 0).length,
    beyond: trials.filter(({ beyond }) => beyond.length > 0).length,
    slowestMs: Math.max(0, ...trials.map(({ endMs }) => endMs)),
    ...(compared ? { alone: compared } : {}),
    seconds: (performance.now() - start) / 1000,
  };
}

/** The same thing said of several faults is said once. */
export function summary(rows: readonly Row[]): string[] {
  const lines: string[] = [];
  for (const row of rows) {
    const found = new Map<string, string[]>();
    for (const { fault, losses, leaks, beyond } of row.trials) {
      for (const [label, texts] of [
        ['LOSS', losses],
        ['LEAK', leaks],
        ["CRIU's", beyond],
      ] as const) {
        for (const text of texts) {
          const key = `${label} ${text.replace(/:.*/s, '').replace(/\d+/g, 'N')}`;
          found.set(key, [...(found.get(key) ?? []), `${fault}: ${text}`]);
        }
      }
    }
    for (const [key, faults] of found) {
      lines.push(`${row.kind}: ${key.split(' ')[0]} ${faults.length} times, as ${faults[0]}`);
      for (const more of faults.slice(1, 4)) lines.push(`    ${more}`);
    }
    if (row.alone) lines.push(`${row.kind}: criu alone: ${JSON.stringify(row.alone.how)}`);
  }
  return lines;
}

const columns = [
  'kind',
  'injected',
  'survived',
  'losses',
  'leaks',
  "CRIU's own",
  'slowest end',
  'criu alone',
];

/** A table for people, in Markdown. */
export function table(rows: readonly Row[]): string[] {
  const cells = rows.map((row) => [
    row.kind,
    String(row.injected),
    String(row.survived),
    String(row.losses),
    String(row.leaks),
    String(row.beyond),
    `${Math.round(row.slowestMs)} ms`,
    row.alone ? `${row.alone.harmed} of ${row.alone.injected}` : '',
  ]);
  const sum = (of: (row: Row) => number): string =>
    String(rows.reduce((total, row) => total + of(row), 0));
  const total = [
    'total',
    sum((r) => r.injected),
    sum((r) => r.survived),
    sum((r) => r.losses),
    sum((r) => r.leaks),
    sum((r) => r.beyond),
    `${Math.round(Math.max(0, ...rows.map((r) => r.slowestMs)))} ms`,
    '',
  ];
  const all = [columns, columns.map(() => '---'), ...cells, total];
  const widths = columns.map((_, at) => Math.max(...all.map((row) => row[at]?.length ?? 0)));
  return all.map(
    (row) =>
      `| ${row.map((cell, at) => (cell === '---' ? '-'.repeat(widths[at] ?? 3) : cell.padEnd(widths[at] ?? 0))).join(' | ')} |`,
  );
}
