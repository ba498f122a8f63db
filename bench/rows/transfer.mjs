// @ts-check
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { freshPath, timed } from '../lib/context.mjs';
import { requireMemory } from '../lib/machine.mjs';
import { ratio } from '../lib/result.mjs';
import { runRounds } from '../lib/rounds.mjs';
import { startTwoHosts } from '../lib/two-hosts.mjs';

const mebibytes = 256;
const lazyPort = 27_000;
const names = { copy: 'socket copy', server: 'dump to a page server', lazy: 'lazy restore' };
/** Lazy pages need it where root lacks CAP_SYS_RESOURCE; of the machine, so it is put back. */
const pipeSize = '/proc/sys/fs/pipe-max-size';

/** @param {import('../lib/scope.mjs').Scope} scope */
function useLargePipes(scope) {
  const before = existsSync(pipeSize) ? readFileSync(pipeSize, 'utf8') : '';
  if (before === '' || Number(before) >= 2 ** 22) return;
  writeFileSync(pipeSize, String(2 ** 22));
  scope.defer(() => writeFileSync(pipeSize, before));
}

/** @type {import('../lib/result.mjs').Group} */
export const transfer = {
  name: 'transfer',
  title: `A process with ${mebibytes} MiB of memory over a veth pair, to a tmpfs`,
  rounds: 7,
  onRequest: true,
  async run(context, rounds, scope) {
    requireMemory(6 * mebibytes);
    useLargePipes(scope);
    const { source, target } = await startTwoHosts(context, scope);
    const path = () => freshPath(context.memoryDirectory);
    const ready = join(context.directory, 'ready-transfer');
    await source.call('harness', 'hold', mebibytes);
    let pid = await source.call('start', ready, mebibytes);

    const copy = async () => {
      const file = path();
      // The harness answers with a time, in milliseconds.
      const port = Math.round((await target.call('harness', 'listen', target.address)) * 1e6);
      await target.call('harnessLater', 'receive', file);
      const ms = await source.call('harness', 'send', target.address, port);
      await target.call('finish', 'harness');
      await rm(file);
      return ms;
    };
    const server = async () => {
      const [sent, received] = [path(), path()];
      const { address } = target;
      const port = await target.call('startPageServer', { imagePath: received, address });
      const pageServer = { address, port };
      const ms = await timed(async () => {
        await source.call('dump', pid, { imagePath: sent, pageServer, leaveRunning: true });
        await target.call('finish', 'pages');
      });
      for (const one of [sent, received]) await rm(one, { recursive: true });
      return ms;
    };
    const lazy = async () => {
      const imagePath = path();
      const pageServer = { address: source.address, port: lazyPort };
      await source.call('startLazyDump', pid, { imagePath, pageServer });
      const ms = await timed(() => target.call('restoreLazily', { imagePath, ...pageServer }));
      await source.call('finish', 'dump');
      await rm(imagePath, { recursive: true });
      pid = await source.call('start', ready, mebibytes);
      return ms;
    };
    /** @param {string} name @param {() => Promise<number>} way */
    const variant = (name, way) => ({ name, measure: async () => ({ ms: await way() }) });
    const samples = await runRounds(
      [variant(names.copy, copy), variant(names.server, server), variant(names.lazy, lazy)],
      rounds,
      { warmUp: 1 },
    );
    /** @param {string} name */
    const ms = (name) => samples.of(name, 'ms');
    return {
      charts: [
        {
          title: 'Until all memory is there',
          unit: 'ms',
          bars: [
            { name: names.copy, samples: ms(names.copy) },
            { name: names.server, samples: ms(names.server), ours: true },
            { name: names.lazy, samples: ms(names.lazy), ours: true },
          ],
        },
      ],
      targets: [
        ratio(
          'dump to a page server / socket copy',
          ms(names.server),
          ms(names.copy),
          { atMost: 4 },
          { samples: ms(names.copy), by: names.copy },
        ),
        ratio(
          'lazy restore / socket copy',
          ms(names.lazy),
          ms(names.copy),
          { atMost: 5 },
          { samples: ms(names.copy), by: names.copy },
        ),
      ],
    };
  },
};
