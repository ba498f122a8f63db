import type { Command } from '../command.js';

/** `libcriu decode`: an image as JSON. */
export const decodeCommand: Command = {
  name: 'decode',
  summary: 'print an image of CRIU as JSON',
  argument: { placeholder: '<image>', meaning: 'the image' },
  flags: [],
  description: [
    'Prints the image <image>, of any kind, as JSON, as crit decode does. The image',
    'is made of that again by encode.',
  ],

  async run({ argument, outside }) {
    const { decodeImage } = await import('../../inspect/decode.js');
    outside.stdout.write(`${JSON.stringify(await decodeImage(argument), null, 2)}\n`);
  },
};
