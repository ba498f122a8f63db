// @ts-check
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { root } from '../../tools/paths.mjs';
import { containerSettings, inC } from '../lib/container-limit.mjs';
import { withImages } from '../lib/context.mjs';
import { byLibcriu, startResting } from '../lib/left-running.mjs';
import { roundsRatio } from '../lib/result.mjs';
import { limitEvery, runRounds } from '../lib/rounds.mjs';
import { median } from '../lib/statistics.mjs';

const names = {
  empty: 'node with an empty module',
  importing: "node with import 'libcriu'",
  runc: 'runc checkpoint',
  ours: 'libcriu checkpoint',
  inC,
};
const limitName = `node with an empty module, and ${inC}`;
const command = join(root, 'dist/cli/main.js');

/**
 * A project that has the package among its dependencies.
 *
 * @param {string} directory
 */
async function makeProject(directory) {
  await mkdir(join(directory, 'node_modules'), { recursive: true });
  await symlink(root, join(directory, 'node_modules/libcriu'));
  const empty = join(directory, 'empty.mjs');
  const importing = join(directory, 'importing.mjs');
  await writeFile(empty, '');
  await writeFile(importing, "import 'libcriu';\n");
  return { empty, importing };
}

/** @type {import('../lib/result.mjs').Group} */
export const start = {
  name: 'start',
  title: 'The start of a program and of the command',
  rounds: 20,
  async run(context, rounds, scope) {
    const { empty, importing } = await makeProject(join(context.directory, 'start'));
    /** @param {string} module */
    const node = (module) => async () => ({
      ms: await context.harness.command('run', process.execPath, module),
    });
    const container = await startResting(context, scope);
    const dumpInC = byLibcriu(context, container, containerSettings.nothing);
    /** @param {readonly string[]} program what runs a subcommand */
    const checkpoint = (program) => async () => {
      await container.wake();
      try {
        const ms = await withImages(context.memoryDirectory, (imagePath) =>
          container.runtime(
            ...program,
            'checkpoint',
            ...['--leave-running', '--image-path', imagePath, container.id],
          ),
        );
        return { ms };
      } finally {
        await container.rest();
      }
    };
    const samples = await runRounds(
      [
        { name: names.empty, measure: node(empty) },
        { name: names.importing, measure: node(importing) },
        { name: names.runc, measure: checkpoint(container.line()) },
        {
          name: names.ours,
          measure: checkpoint([process.execPath, command, ...container.line().slice(1)]),
        },
        {
          name: names.inC,
          measure: async () => ({ ms: (await dumpInC()).wall }),
          every: limitEvery,
        },
      ],
      rounds,
    );
    /** @param {string} name */
    const ms = (name) => samples.of(name, 'ms');
    const limit = {
      by: limitName,
      samples: ms(names.inC).map((inC) => inC + median(ms(names.empty))),
    };
    return {
      charts: [
        {
          title: 'Time of a whole process of Node.js',
          unit: 'ms',
          bars: [
            { name: names.empty, samples: ms(names.empty) },
            { name: names.importing, samples: ms(names.importing), ours: true },
          ],
        },
        {
          title: 'Time of a whole command',
          unit: 'ms',
          bars: [
            { name: names.runc, samples: ms(names.runc) },
            { name: names.ours, samples: ms(names.ours), ours: true },
            { name: limitName, samples: limit.samples, limit: true },
          ],
        },
      ],
      targets: [
        roundsRatio(
          "node with import 'libcriu' / without",
          ms(names.importing),
          ms(names.empty),
          { atMost: 1.25 },
          { samples: ms(names.empty), by: names.empty },
        ),
        roundsRatio(
          'libcriu checkpoint / runc checkpoint',
          ms(names.ours),
          ms(names.runc),
          { atMost: 0.6 },
          limit,
        ),
      ],
    };
  },
};
