// @ts-check
import { readFileSync } from 'node:fs';
import { containerSettings, inC } from '../lib/container-limit.mjs';
import { byLibcriu, byRuntime, byUs, startResting, whereTimeGoes } from '../lib/left-running.mjs';
import { ratio } from '../lib/result.mjs';
import { limitEvery, runRounds } from '../lib/rounds.mjs';

const files = 10_000;

const names = { runc: 'runc checkpoint', ours: 'libcriu, defaults', inC };

/** @param {string} destination */
const mount = (destination) => ({
  destination,
  type: 'tmpfs',
  source: 'tmpfs',
  options: ['nosuid', 'nodev', 'mode=755'],
});

/** Those of an engine's container on most machines: its own, and the directories that are masked. */
const engineCount = 7;

/**
 * The tmpfs that a container has.
 *
 * @param {import('../lib/container.mjs').Container} container
 */
async function countOf(container) {
  const { pid } = await container.facts();
  const lines = readFileSync(`/proc/${pid}/mountinfo`, 'utf8').split('\n');
  return lines.filter((line) => line.split(' - ')[1]?.startsWith('tmpfs ')).length;
}

/**
 * One with as many tmpfs as an engine's has. How many directories of what is masked there are is the
 * kernel's affair; what is missing is mounted as well.
 *
 * @param {import('../lib/context.mjs').Context} context
 * @param {import('../lib/scope.mjs').Scope} scope
 */
async function startLikeEngine(context, scope) {
  /** @param {number} more */
  const start = (more) =>
    startResting(context, scope, {
      configure: (config) => {
        const places = Array.from({ length: more }, (_, index) => `/run/${index}`);
        config.mounts.push(...places.map(mount));
      },
    });
  const container = await start(0);
  const missing = engineCount - (await countOf(container));
  if (missing <= 0) {
    return container;
  }
  await container.end();
  return start(missing);
}

/** @type {import('../lib/result.mjs').Group} */
export const tmpfs = {
  name: 'tmpfs',
  title: `Containers with ${engineCount} tmpfs, and with ${files} files in one`,
  rounds: 20,
  async run(context, rounds, scope) {
    const like = await startLikeEngine(context, scope);
    const count = await countOf(like);
    const full = await startResting(context, scope, {
      before: `for i in $(seq ${files}); do echo $i > /data/$i; done;`,
      configure: (config) => config.mounts.push(mount('/data')),
    });
    const compared = [
      { title: `container with ${count} tmpfs`, container: like, atMost: 0.1 },
      { title: `container with ${files} files in a tmpfs`, container: full, atMost: 0.35 },
    ];
    const variants = compared.flatMap(({ title, container }) => [
      { name: `${title} ${names.runc}`, measure: byRuntime(context, container) },
      { name: `${title} ${names.ours}`, measure: byUs(context, container) },
      {
        name: `${title} ${names.inC}`,
        measure: byLibcriu(context, container, containerSettings.nothing),
        every: limitEvery,
      },
    ]);
    const samples = await runRounds(variants, rounds);
    const rows = compared.flatMap(({ title, atMost }) =>
      [
        ['time', 'wall'],
        ['pause', 'pause'],
      ].map(([name = '', figure = '']) => ({
        what: `${title}: ${name}`,
        atMost,
        /** @param {string} way */
        of: (way) => samples.of(`${title} ${way}`, figure),
      })),
    );
    return {
      charts: rows.map(({ what, of }) => ({
        title: what,
        unit: 'ms',
        bars: Object.values(names).map((name) => ({
          name,
          samples: of(name),
          ours: name === names.ours,
          limit: name === names.inC,
        })),
      })),
      targets: rows.map(({ what, atMost, of }) => {
        const limit = { samples: of(names.inC), by: names.inC };
        return ratio(`${what} / runc`, of(names.ours), of(names.runc), { atMost }, limit);
      }),
      notes: compared.map(({ title }) => whereTimeGoes(samples, `${title} ${names.ours}`, title)),
    };
  },
};
