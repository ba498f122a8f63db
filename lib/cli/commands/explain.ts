import type { Finding } from '../../base/finding.js';
import { optionsOf } from '../../options/calls.js';
import type { CheckpointOptions } from '../../options/types.js';
import { type Command, helpFlag } from '../command.js';
import { type Flag, parseFlags, quoted, UsageError } from '../flags.js';
import { flagEntries, renderHelp } from '../help.js';
import { inFlags } from '../wording.js';
import { checkpointFlags, checkpointOptions } from './checkpoint.js';

const ownFlags: readonly Flag[] = [
  { name: 'pid', placeholder: 'PID', help: 'look at this process and its children instead' },
  {
    name: 'format',
    placeholder: 'text|json',
    help: 'form of the findings (default: text, a line each)',
  },
  helpFlag,
];
const flags: readonly Flag[] = [
  ...checkpointFlags.filter(({ name }) => name !== helpFlag.name),
  ...ownFlags,
];

/** `libcriu explain`: what stands in the way of a checkpoint. */
export const explainCommand: Command = {
  name: 'explain',
  summary: 'tell what would make a checkpoint fail, or needs an option',

  help() {
    return renderHelp([
      {
        heading: 'Usage:',
        entries: [
          'libcriu [global options] explain [options] <container-id>',
          'libcriu [global options] explain [options] --pid PID',
          '',
          'Looks at the processes without stopping them and prints what would make a',
          'checkpoint fail, needs an option, or is worth knowing.',
        ],
      },
      {
        heading: 'Options:',
        entries: [
          ...flagEntries(ownFlags),
          '',
          'And those of checkpoint; what they cure is left out.',
        ],
      },
    ]);
  },

  async run(args, { outside, root, globalFlags }) {
    const { values, rest } = parseFlags(args, flags, { outer: globalFlags });
    if (values.get('help') === true) {
      outside.stdout.write(explainCommand.help());
      return;
    }
    const format = lastOf(values.get('format')) ?? 'text';
    if (format !== 'text' && format !== 'json') {
      throw new UsageError(`Expected 'text' or 'json' for --format but received ${quoted(format)}`);
    }
    const options = checkpointOptions(values);
    const pid = lastOf(values.get('pid'));
    const findings =
      pid === undefined
        ? await ofContainer(rest, root === undefined ? options : { ...options, stateRoot: root })
        : await ofProcess(pid, rest, options);
    outside.stdout.write(
      format === 'json' ? `${JSON.stringify(findings, null, 2)}\n` : findings.map(line).join(''),
    );
  },
};

async function ofContainer(
  rest: readonly string[],
  options: CheckpointOptions,
): Promise<readonly Finding[]> {
  const [id, ...more] = rest;
  if (id === undefined || more.length > 0) {
    throw new UsageError(
      `Expected exactly one argument, the container id, or --pid for explain but received ${rest.length}` +
        (rest.length === 0 ? '' : `: ${rest.map(quoted).join(', ')}`),
    );
  }
  // Loaded when it is needed, as the addon is.
  const { explain } = await import('../../explain.js');
  return explain(id, options);
}

async function ofProcess(
  text: string,
  rest: readonly string[],
  options: CheckpointOptions,
): Promise<readonly Finding[]> {
  if (!/^[1-9]\d{0,9}$/.test(text)) {
    throw new UsageError(`Expected the id of a process for --pid but received ${quoted(text)}`);
  }
  if (rest.length > 0) {
    throw new UsageError(
      `Expected no argument beside --pid but received ${rest.map(quoted).join(', ')}`,
    );
  }
  const { explain } = await import('../../explain.js');
  return explain(Number(text), options);
}

function line({ severity, message }: Finding): string {
  return `${severity}: ${inFlags(withFlagValues(message))}\n`;
}

const valued = optionsOf('checkpoint').filter(
  ({ flag, type }) => flag !== undefined && (type.endsWith('[]') || type === 'integer'),
);

/** `external: ['mnt[/a]:a']` is `--external 'mnt[/a]:a'` on a command line. */
function withFlagValues(message: string): string {
  return valued.reduce(
    (text, { name, flag }) =>
      text
        .replaceAll(`${name}: ['`, `--${flag} '`)
        .replace(new RegExp(`(--${flag} '[^']*')\\]`, 'g'), '$1')
        .replace(new RegExp(`\\b${name}: (?=\\d)`, 'g'), `--${flag} `),
    message,
  );
}

function lastOf(value: boolean | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value.at(-1) : undefined;
}
