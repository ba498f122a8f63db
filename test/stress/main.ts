import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { requireNeeds } from '../helpers/needs.js';
import { cleanUp, kinds, type Row, runKind, summary, table } from './run.js';

const help = `Usage: npm run test:stress -- [option]...

Injects faults into dumps, checkpoints and restores, and looks whether anything is lost or left behind.

  --kinds NAME,...  only these kinds of faults
  --rounds N        faults at random moments, and rounds, of each kind (default: 50)
  --seed N          of what is random (default: the time)
  --json FILE       write all that was found there
  --verbose         tell of each fault
  --list            list the kinds
`;

/** The command `npm run test:stress`. */
export async function main(args: string[]): Promise<number> {
  const { values } = parseArgs({
    args,
    options: {
      kinds: { type: 'string' },
      rounds: { type: 'string', default: '50' },
      seed: { type: 'string', default: String(Date.now() % 1_000_000) },
      json: { type: 'string' },
      verbose: { type: 'boolean', default: false },
      list: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  const say = (line: string): boolean => process.stdout.write(`${line}\n`);
  if (values.help) return say(help) ? 0 : 1;
  if (values.list) {
    for (const { name, what } of kinds) say(`${name.padEnd(20)} ${what}`);
    return 0;
  }
  requireNeeds('root', 'criu', 'libcriu', 'build', 'runc', 'busybox', 'gcc');
  const names = values.kinds?.split(',') ?? kinds.map(({ name }) => name);
  const unknown = names.filter((name) => !kinds.some((kind) => kind.name === name));
  if (unknown.length > 0) throw new Error(`no kind ${unknown.join(', ')}: see --list`);
  const [rounds, seed] = [Number(values.rounds), Number(values.seed)];
  say(`seed ${seed}, ${rounds} rounds`);
  const rows: Row[] = [];
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      void cleanUp().finally(() => process.exit(1));
    });
  }
  for (const kind of kinds.filter(({ name }) => names.includes(name))) {
    const row = await runKind(kind, { rounds, seed }, (trial) => {
      const bad = [
        ...trial.losses.map((l) => `LOSS ${l}`),
        ...trial.leaks.map((l) => `LEAK ${l}`),
        ...(values.verbose ? trial.beyond.map((text) => `CRIU's ${text}`) : []),
      ];
      if (values.verbose || bad.length > 0)
        say(`  ${trial.fault}: ${bad.join('; ') || `survived, ${Math.round(trial.endMs)} ms`}`);
    });
    rows.push(row);
    if (values.json) writeFileSync(values.json, JSON.stringify({ seed, rounds, rows }, null, 2));
    say(
      `${row.kind}: ${row.injected} faults, ${row.losses} losses, ${row.leaks} leaks, ${row.seconds.toFixed(0)} s`,
    );
  }
  for (const line of ['', ...table(rows), '', ...summary(rows)]) say(line);
  return rows.some(({ losses, leaks }) => losses + leaks > 0) ? 1 : 0;
}
