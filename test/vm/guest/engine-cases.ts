import assert from 'node:assert/strict';
import { checkpoint } from '../../helpers/api.js';
import type { Scope } from '../../helpers/cleanup.js';
import { countsBeyond, type Engine } from '../../helpers/engines/engine.js';
import type { ReportRow, Way } from '../../helpers/engines/report.js';
import { cgroupOf, limitsOf } from './service.js';
import type { Suite } from './suite-module.js';

/** An engine of the machine itself, as its packages set it up. */
export interface MachineEngine extends Engine {
  /** As the option `engine` has it. */
  kind: 'docker' | 'podman';
  /** The name of a checkpoint that it restores. */
  place: string;
  restoreInPlace: (name: string, checkpoint: string) => Promise<void>;
  pidOf: (name: string) => Promise<number>;
}

const limits = ['--memory', '64m', '--pids-limit', '77'] as const;

/** The rows of a container that was saved in more than one way at once. */
async function rowsOf(
  engine: Engine,
  ways: readonly Way[],
  before: number,
  after: number,
): Promise<ReportRow[]> {
  const version = await engine.version();
  return ways.map((way) => ({ engine: version, way, before, after }));
}

/** The tests that each engine has to pass. */
export function casesOf(start: (scope: Scope) => Promise<MachineEngine>): Suite {
  return {
    'a container is found by its name, saved left running, and counts on': async (scope) => {
      const engine = await start(scope);
      await engine.start({ name: 'web', flags: limits });
      const before = await countsBeyond(engine, 'web', 3);
      const imagePath = `${await scope.directory()}/images`;
      const { containerId } = await checkpoint('web', { imagePath, leaveRunning: true });
      assert.match(containerId, /^[0-9a-f]{64}$/);
      const after = await countsBeyond(engine, 'web', before);
      assert.match(await engine.status('web'), /^Up /);
      return rowsOf(engine, ['by name', 'left running'], before, after);
    },

    'a container is killed by its checkpoint, restored in place, and has the limits of before':
      async (scope) => {
        const engine = await start(scope);
        await engine.start({ name: 'web', flags: limits });
        await countsBeyond(engine, 'web', 3);
        const placeOf = async (): Promise<unknown> => {
          const pid = await engine.pidOf('web');
          return { cgroup: cgroupOf(pid), limits: limitsOf(pid) };
        };
        const place = await placeOf();
        assert.match(JSON.stringify(place), /\.scope/);
        assert.match(JSON.stringify(place), /"memory\.max":"67108864","pids\.max":"77"/);
        const before = await engine.count('web');
        await checkpoint(`${engine.kind}:web`, { inEngine: engine.place });
        assert.match(await engine.status('web'), /^Exited /);
        await engine.restoreInPlace('web', engine.place);
        const after = await countsBeyond(engine, 'web', before);
        assert.deepEqual(await placeOf(), place);
        return rowsOf(engine, ['killed', 'in place'], before, after);
      },
  };
}
