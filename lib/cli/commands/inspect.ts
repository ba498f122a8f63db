import type { CheckpointReport } from '../../inspect/report.js';
import { type Command, helpFlag } from '../command.js';
import { type Flag, UsageError } from '../flags.js';
import { flagEntries } from '../help.js';

const forms: readonly Flag[] = [
  { name: 'files', help: 'list the descriptors of each process in the tree' },
  { name: 'table', help: 'print tables' },
  { name: 'json', help: 'print an object' },
];

/** `libcriu inspect`: what a checkpoint holds. */
export const inspectCommand: Command = {
  name: 'inspect',
  summary: 'tell what a checkpoint holds, and whether it is whole',
  argument: { placeholder: 'FILE', meaning: 'an archive, an image or a directory' },
  flags: forms,
  description: [
    'Reads the checkpoint FILE, of docker, podman, containerd, CRI-O, kubelet or',
    'libcriu, and prints what it is of: the tree of processes, their memory, sockets,',
    'mounts and namespaces, and what it took to make it.',
  ],
  sections: [{ heading: 'Options:', entries: flagEntries([...forms, helpFlag]) }],

  async run({ values, argument: file, outside }) {
    const given = forms.map(({ name }) => name).filter((name) => values.get(name) === true);
    const [form, other] = given;
    if (other !== undefined) throw new UsageError(`Expected one of --${form} and --${other}`);
    const { inspect } = await import('../../inspect/inspect.js');
    outside.stdout.write(await textOf(form, await inspect(file)));
  },
};

async function textOf(form: string | undefined, report: CheckpointReport): Promise<string> {
  if (form === 'json') return `${JSON.stringify(report, null, 2)}\n`;
  if (form === 'table') return (await import('../../inspect/as-table.js')).asTables(report);
  return (await import('../../inspect/as-tree.js')).asTree(report, { hasFiles: form === 'files' });
}
