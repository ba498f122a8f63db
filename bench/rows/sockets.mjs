// @ts-check
import { byRuntime, byUs, startResting } from '../lib/left-running.mjs';
import { ratio } from '../lib/result.mjs';
import { runRounds } from '../lib/rounds.mjs';

const connections = 100;
const flags = ['--tcp-established'];
const options = { tcpEstablished: true };
const names = {
  runc: 'runc checkpoint',
  tuned: 'runc pause, checkpoint with nftables, resume',
  ours: 'libcriu, defaults',
};

/** @type {import('../lib/result.mjs').Group} */
export const sockets = {
  name: 'sockets',
  title: `A container with a listener and ${connections} established connections to itself`,
  rounds: 20,
  async run(context, rounds, scope) {
    const plain = await startResting(context, scope, { connections });
    const criuConfig = 'network-lock nftables\n';
    const tuned = await startResting(context, scope, { connections, criuConfig });
    const samples = await runRounds(
      [
        { name: names.runc, measure: byRuntime(context, plain, { flags }) },
        { name: names.tuned, measure: byRuntime(context, tuned, { flags, around: true }) },
        { name: names.ours, measure: byUs(context, plain, options) },
      ],
      rounds,
    );
    /** @param {string} figure */
    const bars = (figure) =>
      Object.values(names).map((name) => ({
        name,
        samples: samples.of(name, figure),
        ours: name === names.ours,
      }));
    /**
     * @param {string} what
     * @param {string} figure
     */
    const target = (what, figure) =>
      ratio(what, samples.of(names.ours, figure), samples.of(names.runc, figure), { atMost: 0.2 });
    return {
      charts: [
        {
          title: 'Container with connections: time of the checkpoint',
          unit: 'ms',
          bars: bars('wall'),
        },
        {
          title: 'Container with connections: pause that it sees',
          unit: 'ms',
          bars: bars('pause'),
        },
      ],
      targets: [
        target(`container with ${connections} connections: time / runc`, 'wall'),
        target(`container with ${connections} connections: pause / runc`, 'pause'),
      ],
    };
  },
};
