import { CriuError } from '../../base/errors.js';
import type { Finding } from '../../base/finding.js';
import { sentence, textOf } from '../../base/sentence.js';
import { explain } from '../../explain.js';
import type { CheckpointOptions } from '../../options/types.js';
import { type Command, helpFlag, lastOf } from '../command.js';
import { type Flag, quoted, UsageError } from '../flags.js';
import { rowsOf } from '../option-flags.js';
import { inJson, jsonFlag } from '../output.js';
import { flagWords } from '../words.js';
import {
  checkpointFlags,
  checkpointOptions,
  containerArgument,
  containerNames,
} from './checkpoint.js';

const pidFlag: Flag = {
  name: 'pid',
  placeholder: 'PID',
  help: 'look at this process and its children instead',
};
const unitFlag: Flag = {
  name: 'unit',
  placeholder: 'NAME',
  help: 'look at the main process of this service of systemd instead',
};
const ownFlags: readonly Flag[] = [
  pidFlag,
  unitFlag,
  {
    name: 'format',
    placeholder: 'text|json',
    help: 'form of the findings: text, a line each, or as of --json (default: text)',
  },
];
/** An archive's form is none of what stands in the way of a checkpoint. */
const ownNames = new Set([...ownFlags, jsonFlag].map(({ name }) => name));
const words = flagWords(rowsOf('checkpoint'), containerNames);

/** `libcriu explain`: what stands in the way of a checkpoint. */
export const explainCommand: Command = {
  name: 'explain',
  summary: 'tell what would make a checkpoint fail, or needs an option',
  argument: { ...containerArgument, instead: [pidFlag, unitFlag] },
  flags: [...checkpointFlags.filter(({ name }) => !ownNames.has(name)), ...ownFlags],
  output: [jsonFlag],
  description: [
    'Looks at the processes without stopping them and prints what would make a',
    'checkpoint fail, needs an option, or is worth knowing.',
  ],
  sections: [
    {
      heading: 'Options:',
      flags: [...ownFlags, jsonFlag, helpFlag],
      note: 'And those of checkpoint; what they cure is left out.',
    },
  ],
  words,

  async run({ values, argument, root, tell }) {
    const format = lastOf(values.get('format')) ?? 'text';
    if (format !== 'text' && format !== 'json') {
      throw new UsageError(`Expected 'text' or 'json' for --format but received ${quoted(format)}`);
    }
    const asked = [...values].filter(([name]) => !ownNames.has(name));
    const options = checkpointOptions(new Map(asked));
    const pid = lastOf(values.get(pidFlag.name));
    const unit = lastOf(values.get(unitFlag.name));
    const ofRoot = root === undefined ? options : { ...options, stateRoot: root };
    let findings: readonly Finding[];
    if (pid !== undefined) findings = await ofProcess(pid, options);
    else if (unit !== undefined) findings = await ofUnit(unit, options);
    else findings = await ofContainer(argument, ofRoot);
    const inText = (): string => findings.map(line).join('');
    await tell({ result: findings, text: format === 'json' ? inJson(findings) : inText });
  },
};

async function ofContainer(id: string, options: CheckpointOptions): Promise<readonly Finding[]> {
  try {
    return await explain(id, options);
  } catch (error) {
    const isMissing = error instanceof CriuError && error.code === 'ERR_CONTAINER_NOT_FOUND';
    if (!isMissing || !/^\d+$/.test(id)) throw error;
    throw error.with({}, sentence`${error.sentence}; for a process, write --pid ${id}`);
  }
}

async function ofProcess(text: string, options: CheckpointOptions): Promise<readonly Finding[]> {
  if (!/^[1-9]\d{0,9}$/.test(text)) {
    throw new UsageError(`Expected the id of a process for --pid but received ${quoted(text)}`);
  }
  return explain(Number(text), options);
}

async function ofUnit(unit: string, options: CheckpointOptions): Promise<readonly Finding[]> {
  return explain({ unit }, options);
}

function line({ severity, sentence: said }: Finding): string {
  return `${severity}: ${textOf(said, words)}\n`;
}
