import { statSync } from 'node:fs';
import { exportCheckpoint } from '../../archive/export.js';
import type { ExportOptions } from '../../archive/export-options.js';
import { inBytes } from '../../base/in-bytes.js';
import { type Command, lastOf } from '../command.js';
import type { Flag } from '../flags.js';
import { interruptible } from '../interrupt.js';
import { outputFlags } from '../output.js';
import { inBrackets, inMs, refuseBesideJson } from '../saving.js';
import { flagWords } from '../words.js';
import { existingFlag } from '../write-file.js';
import { archiveStream } from './checkpoint.js';

const ownFlags: readonly Flag[] = [
  {
    name: 'bundle',
    short: 'b',
    placeholder: 'DIR',
    help: "directory of the container's config.json (default: that of the container, if it is there)",
  },
  { name: 'name', placeholder: 'NAME', help: 'name that the container has in the archive' },
  { name: 'image', placeholder: 'IMAGE', help: 'image that the container was made of' },
  { name: 'image-id', placeholder: 'ID', help: 'id of that image, which podman needs' },
  {
    name: 'format',
    placeholder: 'tar|oci-archive|containerd',
    help: "form of the archive: tar, an OCI image in a tar, or one for containerd's ctr (default: tar)",
  },
  {
    name: 'compression',
    placeholder: 'zstd|gzip|none',
    help: 'how the archive is compressed (default: as its name says)',
  },
  existingFlag,
];

const images = {
  placeholder: '<images>',
  meaning: 'the directory of the images',
  completes: 'directory',
} as const;
const file = { placeholder: '<file>', meaning: 'the archive, or - for standard output' } as const;

/** `libcriu export`: an archive of images that are there. */
export const exportCommand: Command = {
  name: 'export',
  summary: 'make an archive of images, from which engines restore',
  argument: { ...images, next: file },
  flags: ownFlags,
  output: outputFlags,
  description: [
    'Makes the archive <file> of the images of a checkpoint. What the container has',
    'changed in its files is not in it: for that, write checkpoint --export.',
  ],
  words: flagWords([], {
    imagePath: images.placeholder,
    to: file.placeholder,
    bundle: '--bundle',
    name: '--name',
    image: '--image',
    imageId: '--image-id',
    format: '--format',
    compression: '--compression',
    existing: '--existing',
  }),

  async run(invocation) {
    const {
      values,
      argument,
      rest: [to = ''],
      outside,
      log,
      tell,
    } = invocation;
    if (to === '-') refuseBesideJson(invocation, 'an archive on standard output');
    const given = ownFlags.map(({ name }) => [
      name === 'image-id' ? 'imageId' : name,
      lastOf(values.get(name)) || undefined,
    ]);
    const options = Object.fromEntries(given) as ExportOptions;
    const givenUp = (signal: string): string =>
      `The export of ${argument} was given up at ${signal}, and nothing of it is left`;
    const target = to === '-' ? archiveStream(outside) : to;
    const result = await interruptible(outside, givenUp, (signal) =>
      exportCheckpoint(argument, target, { ...options, signal }),
    );
    const { archive, warnings, durationMs } = result;
    // A stream is standard output, to which nothing else goes.
    if (archive !== '') {
      const size = inBytes(statSync(archive).size);
      const line = `${argument} is exported to ${archive} ${inBrackets(size, inMs(durationMs))}`;
      await tell({ result, line });
    }
    for (const warning of warnings) log.warning(warning);
    log.debug(
      `export of ${argument} to ${archive || 'a stream'} after ${durationMs.toFixed(1)} ms`,
    );
  },
};
