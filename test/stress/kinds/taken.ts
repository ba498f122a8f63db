import {
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import type { Bench } from '../bench.js';
import type { Kind } from '../kind.js';
import type { Context, Plan } from '../trial.js';
import { each } from './common.js';

const hooks = ['preDump', 'queryExtFiles', 'postDump'] as const;

/** Somebody tidies up: the directory that images are written to is removed, moved or replaced. */
function* images(bench: Bench): Generator<Plan> {
  const ways: [string, (path: string) => void][] = [
    ['removed', (path) => rmSync(path, { recursive: true })],
    ['moved away', (path) => renameSync(path, `${path}-moved`)],
    [
      'moved away, with a link to another in its place',
      (path) => {
        const other = bench.path('other');
        mkdirSync(other, { mode: 0o700 });
        renameSync(path, `${path}-moved`);
        symlinkSync(other, path);
      },
    ],
  ];
  for (const [way, take] of ways) {
    for (const target of ['process', 'container'] as const) {
      for (const at of hooks) {
        for (const leaveRunning of target === 'process' ? [true, false] : [true]) {
          yield {
            fault: `the images directory ${way} at ${at} of ${target}${leaveRunning ? '' : ', which is to end'}`,
            target,
            options: { leaveRunning },
            at,
            inject: ({ imagePath }) => take(imagePath),
            movedTo: (path) => `${path}-moved`,
            afterwards: ({ imagePath }) => {
              rmSync(`${imagePath}-moved`, { recursive: true, force: true });
              rmSync(imagePath, { recursive: true, force: true });
              return [];
            },
          };
        }
      }
    }
  }
}

/** The state of the runtime is away for a while. */
function* state(): Generator<Plan> {
  for (const at of hooks) {
    yield {
      fault: `runc's state directory moved away at ${at} of container`,
      target: 'container',
      at,
      inject: ({ target }) => {
        const file = target.container?.stateFile ?? '';
        renameSync(dirname(file), `${dirname(file)}-moved`);
      },
      afterwards: ({ target }) => {
        const directory = dirname(target.container?.stateFile ?? '');
        if (existsSync(directory)) rmSync(directory, { recursive: true });
        renameSync(`${directory}-moved`, directory);
        return [];
      },
    };
  }
}

/** The freezer is thawed by somebody else, and the cgroup removed. */
function* cgroup(): Generator<Plan> {
  const moveOut = ({ target }: Context, isRemoved: boolean): void => {
    const directory = target.cgroup ?? '';
    target.thaw();
    for (const pid of readFileSync(join(directory, 'cgroup.procs'), 'utf8').trim().split('\n')) {
      if (pid !== '') writeFileSync(join(dirname(directory), 'cgroup.procs'), pid);
    }
    if (isRemoved) rmdirSync(directory);
  };
  for (const at of hooks) {
    yield {
      fault: `the cgroup thawed by another at ${at} of isolated`,
      target: 'isolated',
      at,
      inject: ({ target }) => target.thaw(),
    };
    yield {
      fault: `the cgroup emptied and removed at ${at} of isolated`,
      target: 'isolated',
      at,
      inject: (context) => moveOut(context, true),
      afterwards: async ({ target }) => {
        const directory = target.cgroup ?? '';
        if (existsSync(directory)) return ['the cgroup that was removed is there again'];
        mkdirSync(directory);
        writeFileSync(join(directory, 'cgroup.procs'), String(target.pid));
        return [];
      },
    };
  }
}

export const takenKind: Kind = {
  name: 'taken-away',
  what: 'the images directory, the state directory and the cgroup are taken away in the middle',
  async *run(bench) {
    yield* each(bench, images(bench));
    yield* each(bench, state());
    yield* each(bench, cgroup());
  },
};
