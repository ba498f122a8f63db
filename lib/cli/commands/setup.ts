import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { packageRoot } from '../../base/package-root.js';
import type { Command } from '../command.js';
import { isSilent, outputFlags } from '../output.js';
import { inMs } from '../saving.js';

/** `libcriu setup`: gets or builds what this machine lacks. */
export const setupCommand: Command = {
  name: 'setup',
  summary: 'install, or build, what is missing on this machine',
  flags: [],
  output: outputFlags,
  description: [
    'Installs the programs that CRIU runs, gets a CRIU that works on this kernel, or',
    'builds one, and builds the addon where no package has one that fits. Prints what',
    'it does, and nothing where nothing is to be done. Run it as root.',
  ],

  async run({ values, outside, tell }) {
    const start = performance.now();
    const root = packageRoot();
    if (root === undefined) {
      throw new Error('A bundled libcriu has nothing with which it could set this machine up');
    }
    const script = join(root, 'scripts/setup.mjs');
    const flags = isSilent(values) ? ['--quiet'] : [];
    const steps = await runScript([script, '--json', ...flags], outside.onInterrupt);
    const durationMs = performance.now() - start;
    const done = steps.length === 0 ? 'nothing was to be done' : inMs(durationMs);
    await tell({ result: { steps, durationMs }, line: `this machine is ready (${done})` });
  },
};

/** A piece of work of the set-up, as its script tells of it. */
interface Step {
  title: string;
  durationMs: number;
}

async function runScript(
  command: readonly string[],
  onInterrupt: (listener: (signal: string) => void) => () => void,
): Promise<readonly Step[]> {
  const child = spawn(process.execPath, command, { stdio: ['inherit', 'pipe', 'inherit'] });
  const printed = text(child.stdout);
  // It takes away what it has begun. A terminal's Ctrl-C has reached it already, which does no harm.
  const stopListening = onInterrupt(() => child.kill('SIGTERM'));
  try {
    const [code, signal] = (await once(child, 'exit')) as [number | null, string | null];
    if (code === 0) return JSON.parse(await printed) as readonly Step[];
    const how = signal === null ? `status ${code}` : signal;
    throw new Error(`The set-up ended with ${how}, and this machine may not be ready`);
  } finally {
    stopListening();
  }
}
