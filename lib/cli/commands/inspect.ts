import { inBytes } from '../../base/in-bytes.js';
import type { CheckpointReport } from '../../inspect/report.js';
import { type Command, lastOf } from '../command.js';
import { type Flag, UsageError } from '../flags.js';
import { jsonFlag, outputFlags } from '../output.js';
import { flagWords } from '../words.js';
import { writeFile } from '../write-file.js';

const forms: readonly Flag[] = [
  { name: 'files', help: 'list the descriptors of each process in the tree' },
  { name: 'table', help: 'print tables' },
  jsonFlag,
];

const page: Flag = {
  name: 'html',
  placeholder: 'FILE',
  help: 'write a page for a browser, which needs nothing else',
};

/** `libcriu inspect`: what a checkpoint holds. */
export const inspectCommand: Command = {
  name: 'inspect',
  summary: 'tell what a checkpoint holds, and whether it is whole',
  argument: { placeholder: 'FILE', meaning: 'an archive, an image or a directory' },
  flags: [...forms, page].filter((flag) => flag !== jsonFlag),
  output: outputFlags,
  description: [
    'Reads the checkpoint FILE, of docker, podman, containerd, CRI-O, kubelet or',
    'libcriu, and prints what it is of: the tree of processes, their memory, sockets,',
    'mounts and namespaces, and what it took to make it.',
  ],

  words: flagWords([], { path: 'FILE', html: '--html' }),

  async run({ values, argument: file, tell }) {
    const given = [...forms, page].map(({ name }) => name).filter((name) => values.get(name));
    const [form, other] = given;
    if (other !== undefined) throw new UsageError(`Expected one of --${form} and --${other}`);
    const { inspect } = await import('../../inspect/inspect.js');
    const report = await inspect(file);
    const to = lastOf(values.get(page.name));
    if (to === undefined) {
      await tell({ result: report, text: () => textOf(form, report) });
      return;
    }
    const content = await pageOf(report);
    const written = await writeFile(page.name, to, content, true);
    const line = `the page of ${file} is written to ${to} (${inBytes(content.length)})`;
    await tell({ result: { page: written }, line });
  },
};

async function pageOf(report: CheckpointReport): Promise<string> {
  return (await import('../../inspect/html/page.js')).asPage(report);
}

async function textOf(form: string | undefined, report: CheckpointReport): Promise<string> {
  if (form === 'table') return (await import('../../inspect/as-table.js')).asTables(report);
  return (await import('../../inspect/as-tree.js')).asTree(report, { hasFiles: form === 'files' });
}
