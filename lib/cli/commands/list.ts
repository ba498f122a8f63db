import { listContainers } from '../../container/list.js';
import type { ListedContainer } from '../../container/listed.js';
import type { Command } from '../command.js';
import type { Flag } from '../flags.js';
import { jsonFlag, quietFlag } from '../output.js';

const output: readonly Flag[] = [
  { ...jsonFlag, help: 'print an array of objects' },
  { ...quietFlag, help: 'print the names alone, as other commands take them' },
];

const columns = ['ENGINE', 'NAME', 'ID', 'STATE', 'PID', 'STARTED', 'IMAGE'] as const;

/** `libcriu list`: the containers that can be named to the other commands. */
export const listCommand: Command = {
  name: 'list',
  summary: 'list the containers of all engines and runtimes',
  flags: [],
  output,
  description: [
    'Lists the containers of docker, podman, containerd, CRI-O, runc and crun, by',
    'their files and without asking a daemon.',
  ],

  async run({ values, log, tell }) {
    const { containers, warnings } = await listContainers();
    for (const warning of warnings) log.warning(warning);
    const isQuiet = values.get(quietFlag.name) === true;
    const names = (): string => containers.map(({ name }) => `${name}\n`).join('');
    await tell({ result: containers, text: isQuiet ? names : () => table(containers) });
  },
};

function table(containers: readonly ListedContainer[]): string {
  const rows = [columns, ...containers.map(row)];
  const widths = columns.map((_, index) => Math.max(...rows.map((cells) => width(cells[index]))));
  return rows
    .map((cells) =>
      cells
        .map((cell, index) => cell.padEnd(widths[index] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .map((line) => `${line}\n`)
    .join('');
}

function row({ engine, name, id, state, pid, started, image }: ListedContainer): string[] {
  const shortId = /^[0-9a-f]{64}$/.test(id) ? id.slice(0, 12) : id;
  return [engine, name, shortId, state, `${pid ?? ''}`, started?.toISOString() ?? '', image ?? ''];
}

function width(cell: string | undefined): number {
  return cell?.length ?? 0;
}
