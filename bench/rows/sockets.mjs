// @ts-check
import { containerSettings, inC } from '../lib/container-limit.mjs';
import { byLibcriu, byRuntime, byUs, startResting, whereTimeGoes } from '../lib/left-running.mjs';
import { ratio } from '../lib/result.mjs';
import { limitEvery, runRounds } from '../lib/rounds.mjs';

const flags = ['--tcp-established'];
const options = { tcpEstablished: true };
const criuConfig = 'network-lock nftables\n';

const names = {
  runc: 'runc checkpoint',
  tuned: 'runc pause, checkpoint with nftables, resume',
  ours: 'libcriu, defaults',
  inC: `${inC}, nftables`,
};

/** What the containers are called, by how many connections they have. */
const containers = new Map([
  [0, 'container with a listener'],
  [100, 'container with 100 connections'],
]);

/**
 * The ways to checkpoint one that has so many connections.
 *
 * @param {import('../lib/context.mjs').Context} context
 * @param {import('../lib/scope.mjs').Scope} scope
 * @param {number} connections
 * @returns {Promise<import('../lib/rounds.mjs').Variant[]>} named after the container as well
 */
async function variantsOf(context, scope, connections) {
  const before = `/connections ${connections} &`;
  const plain = await startResting(context, scope, { before });
  const tuned = await startResting(context, scope, { before, criuConfig });
  const variants = [
    { name: names.runc, measure: byRuntime(context, plain, { flags }) },
    { name: names.tuned, measure: byRuntime(context, tuned, { flags, around: true }) },
    { name: names.ours, measure: byUs(context, plain, options) },
    {
      name: names.inC,
      measure: byLibcriu(context, plain, containerSettings.connections),
      every: limitEvery,
    },
  ];
  return variants.map((variant) => ({ ...variant, name: `${connections} ${variant.name}` }));
}

/** @type {import('../lib/result.mjs').Group} */
export const sockets = {
  name: 'sockets',
  title: 'Containers with a listener, and with 100 established connections to it',
  rounds: 20,
  async run(context, rounds, scope) {
    const variants = [];
    for (const connections of containers.keys()) {
      variants.push(...(await variantsOf(context, scope, connections)));
    }
    const samples = await runRounds(variants, rounds);
    /**
     * @param {number} connections
     * @param {string} figure
     */
    const bars = (connections, figure) =>
      Object.values(names).map((name) => ({
        name,
        samples: samples.of(`${connections} ${name}`, figure),
        ours: name === names.ours,
        limit: name === names.inC,
      }));
    const figures = { wall: 'time', pause: 'pause' };
    const compared = [...containers].flatMap(([connections, container]) =>
      Object.entries(figures).map(([figure, title]) => ({ connections, container, figure, title })),
    );
    return {
      charts: compared.map(({ connections, container, figure, title }) => ({
        title: `${container}: ${title}`,
        unit: 'ms',
        bars: bars(connections, figure),
      })),
      targets: compared.map(({ connections, container, figure, title }) => {
        /** @param {string} name */
        const of = (name) => samples.of(`${connections} ${name}`, figure);
        const limit = { samples: of(names.inC), by: names.inC };
        return ratio(
          `${container}: ${title} / runc`,
          of(names.ours),
          of(names.runc),
          { atMost: 0.2 },
          limit,
        );
      }),
      notes: [...containers].map(([connections, container]) =>
        whereTimeGoes(samples, `${connections} ${names.ours}`, container),
      ),
    };
  },
};
