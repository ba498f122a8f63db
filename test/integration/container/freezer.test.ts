import { existsSync, mkdirSync, readFileSync, rmdirSync, watch } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type CheckpointOptions, checkpoint } from '../../helpers/api.js';
import { decodeImage } from '../../helpers/criu/image.js';
import { settings } from '../../helpers/criu/settings.js';
import { requireNeeds } from '../../helpers/needs.js';
import { criuBinary } from '../../helpers/paths.js';
import { Scope, useScope } from '../../helpers/scope.js';
import { never, runOk, sleep, until } from '../../helpers/system/exec.js';
import { freezerState } from '../../helpers/system/freezer.js';
import { firewallRules } from '../../helpers/system/leaks.js';
import { patientMs } from '../../helpers/system/patience.js';
import { isAlive } from '../../helpers/system/process.js';
import { type Container, startContainer } from '../../helpers/workloads/container.js';
import {
  childrenNamed,
  criuWriting,
  startHeavyContainer,
  waitsAtTheEnd,
} from '../../helpers/workloads/heavy-container.js';

const scope = useScope();
beforeAll(() => requireNeeds('root', 'criu', 'libcriu', 'runc', 'busybox', 'gcc', 'protoc'));

let images = 0;

/** Options of a checkpoint that leaves the container there, into a fresh directory. */
function into(container: Container, more: CheckpointOptions = {}): CheckpointOptions {
  images += 1;
  return {
    stateRoot: container.stateRoot,
    imagePath: container.path(`images-${images}`),
    leaveRunning: true,
    fileLocks: true,
    ...more,
  };
}

/** Ways in which a checkpoint ends, each asserting that it ended in this way. */
const endings: [what: string, end: (container: Container) => Promise<void>][] = [
  [
    'success',
    async (container) => {
      await checkpoint(container.id, into(container));
    },
  ],
  [
    'a failure of CRIU in mid-dump',
    async (container) => {
      await expect(
        checkpoint(container.id, into(container, { fileLocks: false })),
      ).rejects.toMatchObject({ code: 'ERR_CRIU_FAILED' });
    },
  ],
  [
    'a veto when the images are complete',
    async (container) => {
      const veto = (): never => {
        throw new Error('no');
      };
      await expect(
        checkpoint(container.id, into(container, { hooks: { postDump: veto } })),
      ).rejects.toMatchObject({ code: 'ERR_CRIU_VETOED' });
    },
  ],
  [
    'an abort before CRIU has begun',
    async (container) => {
      const abort = new AbortController();
      const hooks = { preDump: () => abort.abort() };
      await expect(
        checkpoint(container.id, into(container, { hooks, signal: abort.signal })),
      ).rejects.toMatchObject({ name: 'AbortError', stage: 'preDump' });
    },
  ],
  [
    'an abort while memory is written',
    async (container) => {
      const abort = new AbortController();
      const options = into(container, { signal: abort.signal, hooks: waitsAtTheEnd });
      const aborted = expect(checkpoint(container.id, options)).rejects.toMatchObject({
        name: 'AbortError',
        code: 'ABORT_ERR',
      });
      await criuWriting(container, String(options.imagePath));
      abort.abort();
      await aborted;
    },
  ],
  [
    'timeoutMs',
    async (container) => {
      await expect(
        checkpoint(
          container.id,
          into(container, { hooks: waitsAtTheEnd, timeoutMs: patientMs(2_000) }),
        ),
      ).rejects.toMatchObject({ code: 'ERR_CRIU_TIMEOUT', stage: 'postDump' });
    },
  ],
  [
    'SIGKILL of criu before it has begun',
    async (container) => {
      const hooks = {
        preDump: () => {
          for (const pid of childrenNamed('criu')) process.kill(pid, 'SIGKILL');
          return never();
        },
      };
      await expect(checkpoint(container.id, into(container, { hooks }))).rejects.toMatchObject({
        code: 'ERR_CRIU_DIED',
      });
    },
  ],
  [
    'SIGKILL of criu while it writes memory',
    async (container) => {
      const options = into(container, { hooks: waitsAtTheEnd });
      const died = expect(checkpoint(container.id, options)).rejects.toMatchObject({
        code: 'ERR_CRIU_DIED',
      });
      process.kill(await criuWriting(container, String(options.imagePath)), 'SIGKILL');
      await died;
    },
  ],
];

describe('after a checkpoint that ends by', () => {
  const shared = new Scope();
  let container: Container;
  beforeAll(async () => {
    container = await startHeavyContainer(shared, { mebibytes: 96, locking: true });
  });
  afterAll(() => shared.close());

  test.each(endings)('%s, a running container is thawed and counts on', async (_, end) => {
    expect(container.freezer).toBe('THAWED');
    await end(container);
    expect(container.freezer).toBe('THAWED');
    expect(await container.status()).toBe('running');
    await container.countsOn();
    expect(container.freezer).toBe('THAWED');
    expect(await firewallRules(container.pid)).not.toMatch(/criu/i);
  });

  test.each(endings)('%s, a paused container is still paused', async (_, end) => {
    await container.pause();
    try {
      await end(container);
      await until('it is frozen', () => container.freezer === 'FROZEN');
      expect(await container.status()).toBe('paused');
      const before = (await container.ticks()).length;
      await sleep(100);
      expect((await container.ticks()).length).toBe(before);
    } finally {
      await container.runc('resume', container.id);
    }
    expect(container.freezer).toBe('THAWED');
    await container.countsOn();
  });

  test('an abort at any moment from the call on, a running container is thawed and counts on', async () => {
    for (let afterMs = 0; afterMs < 6; afterMs += 0.15) {
      const abort = new AbortController();
      const start = performance.now();
      const options = into(container, { signal: abort.signal, hooks: waitsAtTheEnd });
      const ended = checkpoint(container.id, options).then(
        () => 'success',
        (error: Error) => error.name,
      );
      while (performance.now() - start < afterMs) await new Promise(setImmediate);
      abort.abort();
      expect(await ended, `aborted after ${afterMs} ms`).toBe('AbortError');
      expect(container.freezer).toBe('THAWED');
    }
    await container.countsOn();
  });
});

/** Counts the writes to a cgroup's control file by whoever it may be. */
async function writesTo(file: string, operate: () => Promise<unknown>): Promise<number> {
  let writes = 0;
  const watcher = watch(file, () => {
    writes += 1;
  });
  await operate();
  await sleep(50);
  watcher.close();
  return writes;
}

test("freezer 'ptrace' does not touch the cgroup, 'cgroup' does", async () => {
  const container = await startContainer(scope);
  const state = join(container.freezerPath, 'freezer.state');
  const file = existsSync(state) ? state : join(container.freezerPath, 'cgroup.freeze');
  expect(
    await writesTo(file, () => checkpoint(container.id, into(container, { freezer: 'cgroup' }))),
  ).toBeGreaterThan(0);
  const options = into(container, { freezer: 'ptrace' });
  let freezeMs = -1;
  const writes = await writesTo(file, async () => {
    const { timings } = await checkpoint(container.id, options);
    freezeMs = timings.freezeMs;
  });
  expect(writes).toBe(0);
  expect(freezeMs).toBe(0);
  expect(container.freezer).toBe('THAWED');
  await container.countsOn();
});

/** The freezer states that a cgroup image holds. */
async function statesIn(imagePath: string): Promise<string[]> {
  const text = await decodeImage(join(imagePath, 'cgroup.img'));
  return [...text.matchAll(/"freezer\.state"\s+\d+: "(\w+)"/g)].map((match) => String(match[1]));
}

/** A container that a raw `criu restore` can bring back: nothing in it comes from outside. */
function startPlainContainer(): Promise<Container> {
  return startContainer(scope, {
    configure: (config) => {
      config.linux.maskedPaths = [];
      config.linux.readonlyPaths = [];
      config.mounts = config.mounts.filter(({ type }) => !type.startsWith('cgroup'));
    },
  });
}

test('the cgroup.img of a container that was frozen for its dump says THAWED', async () => {
  const container = await startPlainContainer();
  const frozen = into(container);
  await checkpoint(container.id, frozen);
  const states = await statesIn(String(frozen.imagePath));
  expect(states.length).toBeGreaterThan(0);
  expect(new Set(states)).toEqual(new Set(['THAWED']));
});

test.each(settings)(
  'a raw criu restore into a new cgroup comes back thawed and counts on: %s',
  async (_, options) => {
    const container = await startPlainContainer();
    const cgroup = container.freezerPath;
    const ignoresCgroups = options.profile === 'fast' || options.manageCgroupsMode === 'ignore';
    const imagePath = container.path('images');
    await checkpoint(container.id, { ...options, stateRoot: container.stateRoot, imagePath });
    expect(existsSync(cgroup)).toBe(false);
    const before = (await container.ticks()).length;

    const root = container.path('root');
    mkdirSync(root);
    await runOk('mount', ['--bind', container.rootfs, root]);
    scope.defer(() => runOk('umount', ['-l', root]));
    const pidFile = container.path('pid');
    await runOk(
      criuBinary,
      [
        'restore',
        '--images-dir',
        imagePath,
        '--work-dir',
        container.directory,
        '--root',
        root,
        // What the images do not know cannot be restored.
        `--manage-cgroups=${ignoresCgroups ? 'ignore' : 'soft'}`,
        '--empty-ns',
        'net',
        '--restore-detached',
        '--pidfile',
        pidFile,
        '-v4',
        '--log-file',
        'raw-restore.log',
      ],
      { stdio: 'ignore' },
    );
    const pid = Number(readFileSync(pidFile, 'utf8'));
    scope.defer(async () => {
      if (isAlive(pid)) process.kill(pid, 'SIGKILL');
      await until('the restored container is gone', () => !isAlive(pid));
      await until('its cgroups are removed', () => removeCgroups(container.id));
    });
    expect(existsSync(cgroup)).toBe(!ignoresCgroups);
    // Without cgroups in the images it is in criu's own, the root here, which cannot be frozen.
    if (!ignoresCgroups) expect(freezerState(pid)).toBe('THAWED');
    await container.countsOn();
    const ticks = await container.ticks();
    expect(ticks[before]?.number).toBe((ticks[before - 1]?.number ?? 0) + 1);
  },
);

/** Those that CRIU made for the restored container. */
function removeCgroups(id: string): boolean {
  return readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .filter((line) => / - cgroup2? /.test(line))
    .map((line) => join(line.split(' ')[4] ?? '', id))
    .filter((path) => existsSync(path))
    .every((path) => {
      try {
        rmdirSync(path);
        return true;
      } catch {
        return false;
      }
    });
}
