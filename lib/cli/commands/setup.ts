import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { packageRoot } from '../../base/package-root.js';
import type { Command } from '../command.js';

/** `libcriu setup`: gets or builds what this machine lacks. */
export const setupCommand: Command = {
  name: 'setup',
  summary: 'install, or build, what is missing on this machine',
  flags: [],
  description: [
    'Installs the programs that CRIU runs, gets a CRIU that works on this kernel, or',
    'builds one, and builds the addon where no package has one that fits. Prints what',
    'it does, and nothing where nothing is to be done. Run it as root.',
  ],

  async run({ outside }) {
    const root = packageRoot();
    if (root === undefined) {
      throw new Error('A bundled libcriu has nothing with which it could set this machine up');
    }
    await runScript(join(root, 'scripts/setup.mjs'), outside.onInterrupt);
  },
};

async function runScript(
  script: string,
  onInterrupt: (listener: (signal: string) => void) => () => void,
): Promise<void> {
  const child = spawn(process.execPath, [script], { stdio: 'inherit' });
  // It takes away what it has begun. A terminal's Ctrl-C has reached it already, which does no harm.
  const stopListening = onInterrupt(() => child.kill('SIGTERM'));
  try {
    const [code, signal] = (await once(child, 'exit')) as [number | null, string | null];
    if (code === 0) return;
    const how = signal === null ? `status ${code}` : signal;
    throw new Error(`The set-up ended with ${how}, and this machine may not be ready`);
  } finally {
    stopListening();
  }
}
