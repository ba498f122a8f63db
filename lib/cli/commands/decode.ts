import type { Command } from '../command.js';
import { inJson } from '../output.js';

/** `libcriu decode`: an image as JSON. */
export const decodeCommand: Command = {
  name: 'decode',
  summary: 'print an image of CRIU as JSON',
  argument: { placeholder: '<image>', meaning: 'the image' },
  flags: [],
  output: [{ name: 'json', help: 'taken as by the other commands: it prints JSON anyhow' }],
  description: [
    'Prints the image <image>, of any kind, as JSON, as crit decode does. The image',
    'is made of that again by encode.',
  ],

  async run({ argument, tell }) {
    const { decodeImage } = await import('../../inspect/decode.js');
    const result = await decodeImage(argument);
    await tell({ result, text: () => inJson(result) });
  },
};
