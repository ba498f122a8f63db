// @ts-check
import { StepError } from '../../tools/process.mjs';
import { inC } from '../lib/container-limit.mjs';
import { checkInterrupt } from '../lib/interrupt.mjs';
import { whereTimeGoes } from '../lib/left-running.mjs';
import { otherRoots, Place, thisMachine } from '../lib/place.mjs';
import { ratio } from '../lib/result.mjs';
import { limitEvery, runRounds } from '../lib/rounds.mjs';
import { withScope } from '../lib/scope.mjs';

/** @typedef {import('../lib/result.mjs').Result} Result */

/** @type {readonly import('../lib/place.mjs').Way[]} */
const ways = ['theirs', 'ours', 'inC'];

/** What has a checkpoint of its own. */
const engines = [
  { engine: 'docker', command: 'docker checkpoint create', atMost: 0.25 },
  { engine: 'podman', command: 'podman container checkpoint', atMost: 0.25 },
  { engine: 'crun', command: 'crun checkpoint', atMost: 0.37 },
];

/**
 * Where it is looked for: the first place where it can be measured counts. The crun of many distributions is
 * built without CRIU.
 *
 * @param {string} engine
 */
const placesOf = (engine) => (engine === 'crun' ? [thisMachine, ...otherRoots()] : [thisMachine]);

/**
 * Measures one engine in one place.
 *
 * @param {(typeof engines)[number]} about
 * @param {import('../lib/place.mjs').Root} where
 * @param {number} rounds
 * @returns {Promise<Result>}
 */
function measure({ engine, command, atMost }, where, rounds) {
  return withScope(async (scope) => {
    const place = new Place(where);
    scope.defer(() => place.close());
    const version = await place.start(engine);
    const samples = await runRounds(
      ways.map((way) => ({
        name: way,
        measure: () => place.measure(way),
        every: way === 'inC' ? limitEvery : 1,
      })),
      rounds,
    );
    const origin = where.name === '' ? '' : `, ${where.name}`;
    const rows = Object.entries({ wall: 'time', pause: 'pause' }).map(([figure, title]) => ({
      what: `container of ${engine}: ${title}`,
      theirs: samples.of('theirs', figure),
      ours: samples.of('ours', figure),
      limit: samples.of('inC', figure),
    }));
    return {
      charts: rows.map(({ what, theirs, ours, limit }) => ({
        title: what,
        unit: 'ms',
        bars: [
          { name: command, samples: theirs },
          { name: 'libcriu, defaults', samples: ours, ours: true },
          { name: inC, samples: limit, limit: true },
        ],
      })),
      targets: rows.map(({ what, theirs, ours, limit }) =>
        ratio(`${what} / ${command}`, ours, theirs, { atMost }, { samples: limit, by: inC }),
      ),
      notes: [
        `The containers of ${engine} are of ${version}${origin}.`,
        whereTimeGoes(samples, 'ours', `container of ${engine}`),
      ],
    };
  });
}

/**
 * Measures an engine in the first place where that can be done.
 *
 * @param {(typeof engines)[number]} about
 * @param {number} rounds
 * @returns {Promise<Result>}
 */
async function measureSomewhere(about, rounds) {
  const reasons = [];
  for (const where of placesOf(about.engine)) {
    try {
      return await measure(about, where, rounds);
    } catch (error) {
      checkInterrupt();
      if (!(error instanceof StepError)) {
        process.exitCode = 1;
      }
      const { message } = /** @type {Error} */ (error);
      reasons.push(where.name === '' ? message : `in ${where.name}: ${message}`);
    }
  }
  const missing = [`container of ${about.engine}: ${reasons.join('; ')}`];
  return { charts: [], targets: [], missing };
}

/** @type {import('../lib/result.mjs').Group} */
export const engineRows = {
  name: 'engines',
  title: 'Containers of engines, left running',
  rounds: 20,
  async run(_context, rounds) {
    /** @type {Result[]} */
    const results = [];
    for (const about of engines) {
      results.push(await measureSomewhere(about, rounds));
    }
    return {
      charts: results.flatMap(({ charts }) => charts),
      targets: results.flatMap(({ targets }) => targets),
      notes: results.flatMap(({ notes = [] }) => notes),
      missing: results.flatMap(({ missing = [] }) => missing),
    };
  },
};
