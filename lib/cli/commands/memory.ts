import { inBytes } from '../../base/in-bytes.js';
import { printable } from '../../base/printable.js';
import type { MemoryMatch } from '../../inspect/read-memory.js';
import { type Command, lastOf } from '../command.js';
import { type Flag, quoted, UsageError } from '../flags.js';
import { outputFlags } from '../output.js';
import { flagWords } from '../words.js';
import { existingFlag, replacesExisting } from '../write-file.js';

const pidFlag: Flag = {
  name: 'pid',
  placeholder: 'PID',
  isRequired: true,
  help: 'the process, as it sees itself',
};
const searchFlag: Flag = {
  name: 'search',
  placeholder: 'TEXT',
  help: 'print the addresses of a text',
};
const dumpFlag: Flag = { name: 'dump', placeholder: 'FILE', help: 'write it as a core file' };
const maxFlag: Flag = {
  name: 'max-matches',
  placeholder: 'NUMBER',
  help: 'print so many addresses at most (default: 1000)',
};
const flags = [pidFlag, searchFlag, dumpFlag, maxFlag, existingFlag];

/** `libcriu memory`: what is in the memory of a process of a checkpoint. */
export const memoryCommand: Command = {
  name: 'memory',
  summary: 'search the memory of a process in a checkpoint, or write it',
  argument: { placeholder: '<checkpoint>', meaning: 'an archive or a directory' },
  flags,
  output: outputFlags,
  description: [
    'Looks for a text in the memory of a process that <checkpoint> has, or writes',
    'that memory as a core file. The memory in earlier pre-dumps is part of it.',
  ],
  words: flagWords([], {
    path: '<checkpoint>',
    pid: '--pid',
    what: '--search',
    to: '--dump',
    maxMatches: '--max-matches',
    existing: '--existing',
  }),

  async run({ values, argument, tell }) {
    const value = (flag: Flag): string | undefined => lastOf(values.get(flag.name));
    const pid = numberOf(pidFlag, value(pidFlag)) ?? 0;
    const maxMatches = numberOf(maxFlag, value(maxFlag));
    const [what, to] = [value(searchFlag), value(dumpFlag)];
    if ((what === undefined) === (to === undefined)) {
      throw new UsageError('Expected one of --search TEXT and --dump FILE for memory');
    }
    const { searchMemory, dumpMemory } = await import('../../inspect/read-memory.js');
    if (what !== undefined) {
      const matches = await searchMemory(argument, pid, what, { maxMatches });
      await tell({ result: matches, text: () => matches.map(line).join('') });
      return;
    }
    const existing = replacesExisting(value(existingFlag)) ? 'replace' : 'refuse';
    const written = await dumpMemory(argument, pid, to ?? '', { existing });
    await tell({
      result: written,
      line: `the memory of process ${pid} is written to ${written.path} (${inBytes(written.bytes)})`,
    });
  },
};

function line({ address, kind, file, text }: MemoryMatch): string {
  const place = file === undefined ? kind : `${kind} ${printable(file)}`;
  return `0x${address.toString(16).padStart(12, '0')}  ${place}  ${text}\n`;
}

function numberOf({ name }: Flag, text: string | undefined): number | undefined {
  if (text === undefined || /^\d{1,10}$/.test(text))
    return text === undefined ? undefined : Number(text);
  throw new UsageError(`Expected a number for --${name} but received ${quoted(text)}`);
}
