import { once } from 'node:events';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { inBytes } from '../../base/in-bytes.js';
import { late } from '../../base/late.js';
import { defaultCriu } from '../../criu/criu.js';
import { outputName } from '../../images/manifest.js';
import type { DumpStats } from '../../images/stats.js';
import { pageSize } from '../../linux/page-size.js';
import type { SnapshotState } from '../../self/fits.js';
import { snapshotEnvironment } from '../../self/snapshot.js';
import { type Command, lastOf } from '../command.js';
import { type Flag, quoted, UsageError } from '../flags.js';
import { outputFlags } from '../output.js';
import { inBrackets, inMs } from '../saving.js';

const decoding = late(() => import('../../images/stats.js'));
const fitting = late(() => import('../../self/fits.js'));
const replacing = late(() => import('../../self/replace.js'));
const trusting = late(() => import('../../linux/trusted.js'));

const snapshotFlag: Flag = {
  name: 'snapshot',
  placeholder: 'DIR',
  isRequired: true,
  help: 'directory for the images, empty or to be made',
};

const ifStaleFlag: Flag = {
  name: 'if-stale',
  placeholder: 'rebuild',
  help: 'do nothing if DIR has a snapshot that can be restored here, and replace one that cannot',
};

/** `libcriu run`: runs a program until it has checkpointed itself. */
export const runCommand: Command = {
  name: 'run',
  summary: 'run a Node.js program until it has checkpointed itself',
  argument: { placeholder: 'app.js [arguments]', meaning: 'the program', isProgram: true },
  flags: [snapshotFlag, ifStaleFlag],
  output: outputFlags,
  description: [
    'Starts app.js in a session of its own, with its output in DIR/output.log, and',
    'waits until it has called checkpointSelf() and is gone. `libcriu restore DIR`',
    'then brings it back, as often as you like.',
  ],

  async run({ values, argument: program, rest, outside, log, tell }) {
    const start = performance.now();
    const directory = resolve(lastOf(values.get(snapshotFlag.name)) ?? '');
    const ifStale = lastOf(values.get(ifStaleFlag.name));
    if (ifStale !== undefined && ifStale !== 'rebuild') {
      throw new UsageError(`Expected rebuild for --if-stale but received ${quoted(ifStale)}`);
    }
    const state = ifStale === undefined ? 'missing' : await stateIn(directory);
    const output = join(directory, outputName);
    if (state === 'fits') {
      const result = { imagePath: directory, output, stats: undefined, durationMs: 0 };
      await tell({ result, line: `${directory} has a snapshot that fits` });
      return;
    }
    const save = (into: string): Promise<void> =>
      runUntilSaved(into, [program, ...rest], outside.onInterrupt);
    if (state === 'missing') await save(directory);
    else await (await replacing()).replaceSnapshot(directory, save);
    const durationMs = performance.now() - start;
    const stats = await statsIn(directory);
    const size = stats && `${inBytes(stats.pagesWritten * pageSize())} of memory`;
    await tell({
      result: { imagePath: directory, output, stats, durationMs },
      line: `${program} is saved in ${directory} ${inBrackets(size, inMs(durationMs))}`,
    });
    log.debug(`the images are in ${directory}`);
  },
};

async function stateIn(directory: string): Promise<SnapshotState> {
  const { stateOfSnapshot } = await fitting();
  return await stateOfSnapshot(directory, defaultCriu());
}

/** How long CRIU may take, when it has ended the program, to write its figures. */
const patienceMs = 5000;

/** CRIU's figures, which it writes last of all. */
async function statsIn(directory: string): Promise<DumpStats | undefined> {
  const { decodeDumpStats } = await decoding();
  for (const start = performance.now(); performance.now() - start < patienceMs; ) {
    try {
      return decodeDumpStats(readFileSync(join(directory, 'stats-dump')));
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }
  return undefined;
}

async function runUntilSaved(
  directory: string,
  command: readonly string[],
  onInterrupt: (listener: (signal: string) => void) => () => void,
): Promise<void> {
  const { requireTrustedAddon } = await trusting();
  await requireTrustedAddon();
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  // The file is appended to, because it may have grown when the program is brought back.
  const output = openSync(join(directory, outputName), 'a', 0o600);
  // The other commands do without node:child_process, which is slow to load.
  const { spawn } = process.getBuiltinModule('node:child_process');
  const child = spawn(process.execPath, [...process.execArgv, ...command], {
    detached: true,
    stdio: ['ignore', output, output],
    env: { ...process.env, ...snapshotEnvironment(directory) },
  });
  closeSync(output);
  const stopListening = onInterrupt(() => child.kill('SIGTERM'));
  try {
    const [code, signal] = (await once(child, 'exit')) as [number | null, string | null];
    if (existsSync(join(directory, 'inventory.img'))) return;
    const how = signal === null ? `with status ${code}` : `by ${signal}`;
    throw new Error(
      `${command[0]} ended ${how} before it had checkpointed itself${lastLine(directory)}`,
    );
  } finally {
    stopListening();
  }
}

/** What the program said last is often why. */
function lastLine(directory: string): string {
  const lines = readFileSync(join(directory, outputName), 'utf8').trim().split('\n');
  const line = lines.filter((one) => /error/i.test(one)).at(-1) ?? lines.at(-1);
  return line ? `: ${line}` : `; see ${join(directory, outputName)}`;
}
