import type { Command } from '../command.js';
import type { Flag } from '../flags.js';
import { flagWords } from '../words.js';

const ownFlags: readonly Flag[] = [{ name: 'json', help: 'print an object' }];
const before = { placeholder: '<before>', meaning: 'the first checkpoint' } as const;
const after = { placeholder: '<after>', meaning: 'the second one' } as const;

/** `libcriu diff`: what has changed from one checkpoint to another. */
export const diffCommand: Command = {
  name: 'diff',
  summary: 'tell what has changed from one checkpoint to another',
  argument: { ...before, next: after },
  flags: ownFlags,
  description: [
    'Compares two checkpoints, archives or directories: processes, descriptors,',
    'sockets and memory, page by page.',
  ],
  words: flagWords([], { before: before.placeholder, after: after.placeholder }),

  async run({ values, argument, rest: [second = ''], outside }) {
    const { diffCheckpoints } = await import('../../inspect/diff.js');
    const diff = await diffCheckpoints(argument, second);
    if (values.get('json') === true) {
      outside.stdout.write(`${JSON.stringify(diff, null, 2)}\n`);
      return;
    }
    const { diffAsText } = await import('../../inspect/diff-as-text.js');
    outside.stdout.write(diffAsText(diff));
  },
};
