import type { CheckpointInfo } from '../../archive/info.js';
import { type Command, helpFlag } from '../command.js';
import type { Flag } from '../flags.js';
import { flagEntries } from '../help.js';

const ownFlags: readonly Flag[] = [{ name: 'json', help: 'print an object' }];

/** `libcriu inspect`: what a checkpoint says of itself. */
export const inspectCommand: Command = {
  name: 'inspect',
  summary: 'tell what a checkpoint is of, and whether it is whole',
  argument: { placeholder: 'FILE', meaning: 'an archive, an image or a directory' },
  flags: ownFlags,
  description: [
    'Reads the checkpoint FILE, of docker, podman, containerd, CRI-O, kubelet or',
    'libcriu, from its beginning to its end, and prints what it is of.',
  ],
  sections: [{ heading: 'Options:', entries: flagEntries([...ownFlags, helpFlag]) }],

  async run({ values, argument: file, outside }) {
    const { openCheckpoint } = await import('../../archive/open.js');
    const checkpoint = await openCheckpoint(file);
    try {
      const { info } = checkpoint;
      const isJson = values.get('json') === true;
      outside.stdout.write(isJson ? `${JSON.stringify(info, null, 2)}\n` : table(info));
    } finally {
      await checkpoint.close();
    }
  },
};

/** What is known, line by line. */
function table(info: CheckpointInfo): string {
  const lines: readonly (readonly [string, unknown])[] = [
    ['Engine', info.engine],
    ['Name', info.name],
    ['ID', info.id],
    ['Image', info.image],
    ['Runtime', info.runtime],
    ['Created', info.created?.toISOString()],
    ['Checkpointed', info.checkpointed?.toISOString()],
    ['Processes', info.processes],
    ['CRIU', info.criuVersion],
    ['Format', info.compression === 'none' ? info.format : `${info.format}, ${info.compression}`],
    ['Files', info.hasRootfsChanges ? 'with the changes of the root file system' : 'images alone'],
    ['Volumes', info.volumes.length === 0 ? undefined : info.volumes.join(', ')],
    ['Entries', info.entries],
    ['Bytes', info.bytes],
  ];
  return lines
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${`${name}:`.padEnd(14)}${printable(String(value))}\n`)
    .join('');
}

/** A terminal must not be told what to do by who made the checkpoint. */
function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: These are what is looked for.
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, '?');
}
