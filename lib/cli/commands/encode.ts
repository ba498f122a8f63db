import { text } from 'node:stream/consumers';
import { errnoOf, invalidArgValue, reason } from '../../base/errors.js';
import { readFile } from '../../base/files.js';
import { inBytes } from '../../base/in-bytes.js';
import type { DecodedImage } from '../../images/codec/types.js';
import { type Command, lastOf, type Outside } from '../command.js';
import { UsageError } from '../flags.js';
import { outputFlags } from '../output.js';
import { refuseBesideJson } from '../saving.js';
import { flagWords } from '../words.js';
import { existingFlag, replacesExisting, writeFile } from '../write-file.js';

const json = { placeholder: '<json>', meaning: 'the file with the JSON, or - for standard input' };
const image = { placeholder: '<image>', meaning: 'the image, or - for standard output' };

/** `libcriu encode`: an image of JSON. */
export const encodeCommand: Command = {
  name: 'encode',
  summary: 'make an image of CRIU of JSON',
  argument: { ...json, next: image },
  flags: [existingFlag],
  output: outputFlags,
  description: ['Makes the image <image> of what decode, or crit decode, has printed.'],
  words: flagWords([], {
    json: json.placeholder,
    to: image.placeholder,
    existing: '--existing',
  }),

  async run(invocation) {
    const {
      values,
      argument,
      rest: [to = ''],
      outside,
      tell,
    } = invocation;
    const replaces = replacesExisting(lastOf(values.get(existingFlag.name)));
    if (to === '-') refuseBesideJson(invocation, 'an image on standard output');
    const { encodeImage } = await import('../../inspect/decode.js');
    const content = await encodeImage(parse(argument, await read(argument, outside)));
    if (to === '-') {
      await writeOut(content, outside);
      return;
    }
    const image = await writeFile('to', to, content, replaces);
    const line = `the image is written to ${to} (${inBytes(content.length)})`;
    await tell({ result: { image, bytes: content.length }, line });
  },
};

async function read(path: string, { input }: Outside): Promise<string> {
  if (path === '-') return input === undefined ? '' : await text(input);
  return await readFile(path, 'utf8').catch((cause: unknown) => {
    if (errnoOf(cause) !== 'ENOENT') throw cause;
    throw invalidArgValue('json', 'a file that exists', path);
  });
}

function parse(path: string, content: string): DecodedImage {
  try {
    return JSON.parse(content) as DecodedImage;
  } catch (error) {
    throw invalidArgValue('json', 'JSON', path, reason(error));
  }
}

async function writeOut(content: Buffer, { output }: Outside): Promise<void> {
  if (output === undefined) {
    throw new UsageError('Refused to write an image to a terminal: give the name of a file');
  }
  await new Promise<void>((resolve) => output.write(content, () => resolve()));
}
