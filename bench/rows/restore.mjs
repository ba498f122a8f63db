// @ts-check
import { Container } from '../lib/container.mjs';
import { withImages } from '../lib/context.mjs';
import { ratio } from '../lib/result.mjs';
import { runRounds } from '../lib/rounds.mjs';

const names = {
  runc: "runc restore of runc's images",
  ours: 'runc restore of our images',
};

/** @type {import('../lib/result.mjs').Group} */
export const restore = {
  name: 'restore',
  title: 'What restores faster',
  rounds: 20,
  async run(context, rounds, scope) {
    const container = await Container.make(context, scope);
    /** @param {(imagePath: string) => Promise<unknown>} checkpoint */
    const restored = (checkpoint) => async () => {
      await container.start();
      const ms = await withImages(context.memoryDirectory, async (imagePath) => {
        await checkpoint(imagePath);
        return container.restore(imagePath);
      });
      await container.end();
      return { ms };
    };
    const { id, stateRoot } = container;
    const samples = await runRounds(
      [
        {
          name: names.runc,
          measure: restored((imagePath) =>
            container.runtime(...container.line('checkpoint', '--image-path', imagePath, id)),
          ),
        },
        {
          name: names.ours,
          measure: restored((imagePath) =>
            context.libcriu.checkpoint(id, { stateRoot, imagePath }),
          ),
        },
      ],
      rounds,
    );
    const runc = samples.of(names.runc, 'ms');
    const ours = samples.of(names.ours, 'ms');
    return {
      charts: [
        {
          title: 'Time of runc restore',
          unit: 'ms',
          bars: [
            { name: names.runc, samples: runc },
            { name: names.ours, samples: ours, ours: true },
          ],
        },
      ],
      targets: [ratio("runc restore of our images / of runc's", ours, runc, { atMost: 0.45 })],
    };
  },
};
