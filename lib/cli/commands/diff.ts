import type { Command } from '../command.js';
import { jsonFlag } from '../output.js';
import { flagWords } from '../words.js';

const before = { placeholder: '<before>', meaning: 'the first checkpoint' } as const;
const after = { placeholder: '<after>', meaning: 'the second one' } as const;

/** `libcriu diff`: what has changed from one checkpoint to another. */
export const diffCommand: Command = {
  name: 'diff',
  summary: 'tell what has changed from one checkpoint to another',
  argument: { ...before, next: after },
  flags: [],
  output: [jsonFlag],
  description: [
    'Compares two checkpoints, archives or directories: processes, descriptors,',
    'sockets and memory, page by page.',
  ],
  words: flagWords([], {
    before: before.placeholder,
    after: after.placeholder,
    path: `${before.placeholder} or ${after.placeholder}`,
  }),

  async run({ argument, rest: [second = ''], tell }) {
    const { diffCheckpoints } = await import('../../inspect/diff.js');
    const diff = await diffCheckpoints(argument, second);
    await tell({
      result: diff,
      text: async () => (await import('../../inspect/diff-as-text.js')).diffAsText(diff),
    });
  },
};
