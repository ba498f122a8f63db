import { once } from 'node:events';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { inBytes } from '../../base/in-bytes.js';
import { late } from '../../base/late.js';
import type { DumpStats } from '../../images/stats.js';
import { pageSize } from '../../linux/page-size.js';
import { outputName, snapshotEnvironment } from '../../self/snapshot.js';
import { type Command, lastOf } from '../command.js';
import type { Flag } from '../flags.js';
import { outputFlags } from '../output.js';
import { inBrackets, inMs } from '../saving.js';

const decoding = late(() => import('../../images/stats.js'));
const trusting = late(() => import('../../linux/trusted.js'));

const snapshotFlag: Flag = {
  name: 'snapshot',
  placeholder: 'DIR',
  isRequired: true,
  help: 'directory for the images, empty or to be made; it has to stay where it is',
};

/** `libcriu run`: runs a program until it has checkpointed itself. */
export const runCommand: Command = {
  name: 'run',
  summary: 'run a Node.js program until it has checkpointed itself',
  argument: { placeholder: 'app.js [arguments]', meaning: 'the program', isProgram: true },
  flags: [snapshotFlag],
  output: outputFlags,
  description: [
    'Starts app.js in a session of its own, with its output in DIR/output.log, and',
    'waits until it has called checkpointSelf() and is gone. `libcriu restore DIR`',
    'then brings it back, as often as you like.',
  ],

  async run({ values, argument: program, rest, outside, log, tell }) {
    const start = performance.now();
    const directory = resolve(lastOf(values.get(snapshotFlag.name)) ?? '');
    await runUntilSaved(directory, [program, ...rest], outside.onInterrupt);
    const durationMs = performance.now() - start;
    const stats = await statsIn(directory);
    const size = stats && `${inBytes(stats.pagesWritten * pageSize())} of memory`;
    await tell({
      result: { imagePath: directory, output: join(directory, outputName), stats, durationMs },
      line: `${program} is saved in ${directory} ${inBrackets(size, inMs(durationMs))}`,
    });
    log.debug(`the images are in ${directory}`);
  },
};

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
