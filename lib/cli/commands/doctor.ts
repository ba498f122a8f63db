import { printable } from '../../base/printable.js';
import { diagnose } from '../../diagnose.js';
import type { Check, Diagnosis } from '../../doctor/check.js';
import { type Command, lastOf } from '../command.js';
import type { Flag } from '../flags.js';
import { jsonFlag } from '../output.js';

const ownFlags: readonly Flag[] = [
  {
    name: 'image-path',
    placeholder: 'DIR',
    help: 'directory where images are to go (default: ./checkpoint)',
  },
];

/** `libcriu doctor`: what this machine has and lacks for checkpoints. */
export const doctorCommand: Command = {
  name: 'doctor',
  summary: 'tell what this machine has and lacks for checkpoints',
  flags: ownFlags,
  output: [jsonFlag],
  description: [
    'Looks at what this process may do, at criu and libcriu, the kernel, cgroups,',
    'runtimes, engines and the space for images, and changes nothing. Where',
    'something fails, its cure is told, and the exit status is 1.',
  ],

  async run({ values, tell }) {
    const imagePath = lastOf(values.get('image-path'));
    const diagnosis = await diagnose(imagePath === undefined ? {} : { imagePath });
    await tell({ result: diagnosis, text: () => table(diagnosis) });
    return diagnosis.ok ? 0 : 1;
  },
};

/** A line for each check, and below it its cure. */
function table({ checks }: Diagnosis): string {
  return checks.map((check) => `${line(check)}\n`).join('');
}

function line({ status, message, cure }: Check): string {
  const told = `${status.padEnd(7)}  ${printable(message)}`;
  return cure === undefined ? told : `${told}\n${' '.repeat(9)}-> ${printable(cure)}`;
}
