import type { Command, Settings } from '../command.js';
import { quoted, UsageError } from '../flags.js';
import { jsonFlag } from '../output.js';

const shells = ['bash', 'zsh', 'fish'] as const;

/** `libcriu completion`: what completes its command lines in a shell. */
export const completionCommand: Command = {
  name: 'completion',
  summary: 'print the completions for a shell',
  argument: { placeholder: shells.join('|'), meaning: 'the shell' },
  flags: [],
  output: [jsonFlag],
  description: [
    'Prints what completes command lines of libcriu in a shell: commands, flags and',
    'their values, files, and the names of containers. For the shell that runs:',
    '',
    'bash:  source <(libcriu completion bash)',
    'zsh:   source <(libcriu completion zsh)',
    'fish:  libcriu completion fish | source',
  ],

  async run({ argument, tell, commands, globalFlags }) {
    const shell = shells.find((name) => name === argument);
    if (shell === undefined) {
      throw new UsageError(
        `Expected 'bash', 'zsh' or 'fish' for completion but received ${quoted(argument)}`,
      );
    }
    const script = await scriptFor(shell, { commands, globalFlags });
    await tell({ result: { shell, script }, text: script });
  },
};

async function scriptFor(
  shell: (typeof shells)[number],
  { commands, globalFlags }: Pick<Settings, 'commands' | 'globalFlags'>,
): Promise<string> {
  const { completedProgram } = await import('../completion/kinds.js');
  const program = completedProgram(commands, globalFlags);
  switch (shell) {
    case 'bash':
      return (await import('../completion/bash.js')).bashCompletion(program);
    case 'zsh':
      return (await import('../completion/zsh.js')).zshCompletion(program);
    case 'fish':
      return (await import('../completion/fish.js')).fishCompletion(program);
  }
}
