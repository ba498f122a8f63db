import assert from 'node:assert/strict';
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { type DumpResult, dump, type IterationRound, iterate } from '../../../helpers/api.js';
import { distCli } from '../../../helpers/paths.js';
import { runOk, until } from '../../../helpers/system/exec.js';
import { isAlive } from '../../../helpers/system/process.js';
import { changingContainer, changingProcess } from '../changing-memory.js';
import { mebibyte, pageSize, pagesBytes, pagesOnDisk } from '../pages.js';
import { restoreProcess } from '../restore.js';
import type { Suite } from '../suite-module.js';

/** 1 % of 256 MiB changes between rounds: each after the first writes that, and some of its own. */
function assertRoundsOfOnePercent(rounds: readonly IterationRound[]): void {
  const all = (256 * mebibyte) / pageSize;
  const changed = Math.floor(all / 100);
  assert.equal(rounds.length, 3);
  for (const { iteration, pagesWritten, pagesSkipped, growth, imagePath } of rounds) {
    const least = iteration === 1 ? all : changed;
    assert.ok(pagesWritten >= least, `round ${iteration} wrote ${pagesWritten} pages`);
    assert.ok(pagesWritten < least + 200, `round ${iteration} wrote ${pagesWritten} pages`);
    assert.equal(pagesBytes(imagePath), pagesWritten * pageSize);
    if (iteration === 1) {
      assert.equal(pagesSkipped, 0);
      assert.equal(growth, undefined);
    } else {
      assert.ok(pagesSkipped >= all - changed - 200, `round ${iteration} skipped ${pagesSkipped}`);
    }
  }
  const [, second, third] = rounds;
  assert.ok((second?.growth ?? 0) < -0.98, `growth ${second?.growth}`);
  assert.ok(Math.abs(third?.growth ?? 1) < 0.1, `growth ${third?.growth}`);
}

/** For how long CRIU has kept the tasks frozen. */
const frozenMs = ({ stats }: Pick<DumpResult, 'stats'>): number =>
  (stats?.frozenTimeUs ?? Number.NaN) / 1000;

export const title = 'iterate';

export const suite: Suite = {
  'a process of 256 MiB that changes 1 % between rounds comes back with its memory': async (
    scope,
  ) => {
    const { workload, memory } = await changingProcess(scope, 256, 1);
    const fullPath = join(await scope.directory(), 'full');
    const full = await dump(workload.pid, { imagePath: fullPath, leaveRunning: true });
    rmSync(fullPath, { recursive: true });
    const imagePath = join(await scope.directory(), 'chain');
    const iteration = iterate(workload.pid, { imagePath, targetFrozenMs: 0 });
    let sum = '';
    for await (const { frozenMs, expectedFrozenMs } of iteration) {
      assert.ok(frozenMs > 0 && expectedFrozenMs > 0);
      sum = await memory.change();
    }
    const { stop, directories, rounds, final, ...result } = await iteration.result;
    assert.equal(stop, 'notShrinking');
    assert.ok(result.durationMs > rounds.reduce((sum, { durationMs }) => sum + durationMs, 0));
    assert.deepEqual(
      { ...result, durationMs: 0 },
      { imagePath, logFile: join(imagePath, 'final/dump.log'), warnings: [], durationMs: 0 },
    );
    assertRoundsOfOnePercent(rounds);
    assert.deepEqual(
      directories,
      ['1', '2', '3', 'final'].map((name) => join(imagePath, name)),
    );
    assert.equal(final?.imagePath, join(imagePath, 'final'));
    assert.ok(pagesBytes(final.imagePath) < 0.02 * 256 * mebibyte);
    const fullMs = frozenMs(full);
    const finalMs = frozenMs(final);
    assert.ok(finalMs < fullMs / 2, `${finalMs} ms frozen, and ${fullMs} ms by one dump`);
    await restoreProcess(scope, workload, final.imagePath);
    assert.equal(await memory.checksum(), sum);
    const roundsMs = rounds.map((round) => Math.round(round.frozenMs));
    return {
      title: 'iterate: 256 MiB of which 1 % changes in each round, milliseconds frozen',
      text: `one dump ${fullMs.toFixed()}; rounds ${roundsMs.join(', ')}, final dump ${finalMs.toFixed()}`,
    };
  },

  'a container of 256 MiB that changes 1 % between rounds is restored by runc': async (scope) => {
    const { container, memory } = await changingContainer(scope, 256, 1);
    const { stateRoot } = container;
    const imagePath = container.path('chain');
    const iteration = iterate(container.id, { stateRoot, imagePath, targetFrozenMs: 0 });
    let sum = '';
    for await (const { result } of iteration) {
      assert.equal('containerId' in result && result.containerId, container.id);
      assert.equal(await container.status(), 'running');
      sum = await memory.change();
    }
    const { rounds, final } = await iteration.result;
    assertRoundsOfOnePercent(rounds);
    assert.ok(final !== undefined && pagesBytes(final.imagePath) < 0.02 * 256 * mebibyte);
    assert.equal(await container.status(), undefined);
    await container.restore(final.imagePath);
    assert.equal(await memory.checksum(), sum);
  },

  'libcriu iterate saves a process in rounds, and libcriu pre-dump is what a dump goes on from':
    async (scope) => {
      const { workload, memory } = await changingProcess(scope, 32, 1);
      const { pid } = workload;
      const directory = await scope.directory();
      const libcriu = (...args: string[]): Promise<string> =>
        runOk(process.execPath, [distCli, ...args]);
      const [chain, first, last] = ['chain', 'first', 'last'].map((name) => join(directory, name));
      const flags = [
        '--json',
        '--max-iterations',
        '2',
        '--leave-running',
        '--image-path',
        `${chain}`,
      ];
      const iterated = JSON.parse(await libcriu('iterate', ...flags, '--pid', `${pid}`)) as {
        directories: string[];
        rounds: unknown[];
      };
      assert.equal(iterated.directories.at(-1), `${chain}/final`);
      assert.equal(iterated.directories.length, iterated.rounds.length + 1);
      await libcriu('pre-dump', '--image-path', `${first}`, `${pid}`);
      const sum = await memory.change();
      const then = ['--parent-path', '../first', '--image-path', `${last}`];
      await libcriu('dump', ...then, `${pid}`);
      assert.ok(pagesBytes(`${first}`) >= 32 * mebibyte);
      assert.ok(pagesBytes(`${last}`) < 0.1 * 32 * mebibyte);
      await restoreProcess(scope, workload, `${last}`);
      assert.equal(await memory.checksum(), sum);
    },

  'autoDedup takes out of the rounds before what a round has anew': async (scope) => {
    const { workload, memory } = await changingProcess(scope, 32, 25);
    const imagePath = join(await scope.directory(), 'chain');
    const settings = { maxIterations: 3, targetFrozenMs: 0 };
    const iteration = iterate(workload.pid, { imagePath, autoDedup: true, ...settings });
    let sum = '';
    for await (const _ of iteration) sum = await memory.change();
    const { directories, final } = await iteration.result;
    const [first = ''] = directories;
    // The files keep their length; what was punched out takes no room.
    assert.ok(pagesBytes(first) >= 32 * mebibyte);
    const freed = 32 * mebibyte - pagesOnDisk(first);
    assert.ok(freed > 0.25 * 32 * mebibyte, `${freed} bytes were freed in ${first}`);
    // Each page of the memory is there once.
    const all = directories.reduce((bytes, directory) => bytes + pagesOnDisk(directory), 0);
    assert.ok(all < 33 * mebibyte, `${all} bytes in all rounds`);
    assert.ok(final);
    await restoreProcess(scope, workload, final.imagePath);
    assert.equal(await memory.checksum(), sum);
  },

  'targetPages, targetFrozenMs and maxIterations end the pre-dumps': async (scope) => {
    const { workload } = await changingProcess(scope, 4, 1);
    const directory = await scope.directory();
    const rest = { leaveRunning: true };
    for (const [stop, rounds, settings] of [
      ['targetPages', 2, { targetFrozenMs: 0 }],
      ['targetFrozenMs', 1, { targetFrozenMs: 60_000, targetPages: 0 }],
      ['maxIterations', 1, { targetFrozenMs: 0, targetPages: 0, maxIterations: 1 }],
    ] as const) {
      const imagePath = join(directory, stop);
      const iteration = iterate(workload.pid, { imagePath, ...rest, ...settings });
      let step = await iteration.next();
      while (!step.done) step = await iteration.next();
      assert.equal(step.value.stop, stop);
      assert.equal(step.value.rounds.length, rounds);
      assert.deepEqual(step.value, await iteration.result);
    }
    assert.ok(isAlive(workload.pid));
  },

  'a loop that is left early leaves the process running and tells what there is': async (scope) => {
    const { workload, memory } = await changingProcess(scope, 4, 1);
    const imagePath = join(await scope.directory(), 'chain');
    const iteration = iterate(workload.pid, { imagePath });
    for await (const { iteration: number } of iteration) if (number === 1) break;
    const { stop, directories, final } = await iteration.result;
    assert.deepEqual([stop, final], ['returned', undefined]);
    assert.deepEqual(directories, [join(imagePath, '1')]);
    assert.deepEqual(readdirSync(imagePath), ['1']);
    await memory.checksum();
    // Nothing is left to be done.
    assert.equal((await iteration.next()).done, true);
  },

  'an abort in the final dump leaves the process running and tells what there is': async (
    scope,
  ) => {
    const { workload, memory } = await changingProcess(scope, 4, 1);
    const imagePath = join(await scope.directory(), 'chain');
    const controller = new AbortController();
    const iteration = iterate(workload.pid, {
      imagePath,
      signal: controller.signal,
      hooks: { postDump: () => controller.abort(new Error('enough')) },
    });
    await assert.rejects(
      async () => {
        for await (const _ of iteration);
      },
      (error: Error & { code?: string; directories?: string[] }) => {
        assert.equal(error.code, 'ABORT_ERR');
        assert.ok(error.directories && error.directories.length > 0);
        assert.deepEqual(
          error.directories.filter((path) => !existsSync(join(path, 'inventory.img'))),
          [],
        );
        assert.ok(error.message.includes(error.directories[0] ?? '?'), error.message);
        return true;
      },
    );
    await assert.rejects(iteration.result, { code: 'ABORT_ERR' });
    assert.ok(!existsSync(join(imagePath, 'final/inventory.img')));
    await memory.checksum();
  },

  'an abort in the middle of a round leaves the process running, and it can begin anew': async (
    scope,
  ) => {
    const { workload, memory } = await changingProcess(scope, 64, 1);
    const directory = await scope.directory();
    const controller = new AbortController();
    const { signal } = controller;
    const iteration = iterate(workload.pid, { imagePath: join(directory, 'first'), signal });
    const round = iteration.next();
    await Promise.race([
      round,
      until('pages are written', () => existsSync(join(directory, 'first/1/pages-1.img'))),
    ]);
    controller.abort(new Error('enough'));
    await assert.rejects(
      // CRIU may be through with the round by now.
      round.then(() => iteration.next()),
      { code: 'ABORT_ERR' },
    );
    const sum = await memory.change();
    const anew = iterate(workload.pid, { imagePath: join(directory, 'anew'), maxIterations: 2 });
    for await (const _ of anew);
    const { final } = await anew.result;
    assert.ok(final);
    await restoreProcess(scope, workload, final.imagePath);
    assert.equal(await memory.checksum(), sum);
  },

  'bad input is refused before anything is made': async (scope) => {
    const { workload } = await changingProcess(scope, 1, 1);
    const imagePath = join(await scope.directory(), 'chain');
    const bad: [object, RegExp][] = [
      [{ maxIterations: 0 }, /maxIterations .*0/],
      [{ targetFrozenMs: -1 }, /targetFrozenMs .*-1/],
      [{ targetPages: 1.5 }, /targetPages .*1\.5/],
      [{ parentPath: '../x' }, /parentPath.*iterate decides it itself/],
      [{ pageServer: '127.0.0.1:1' }, /pageServer/],
      [{ tcpEstablishd: true }, /tcpEstablishd.*tcpEstablished/],
      [{ preDumpMode: 'slow' }, /preDumpMode.*slow/],
    ];
    for (const [options, message] of bad) {
      assert.throws(() => iterate(workload.pid, { imagePath, ...options }), message);
      assert.throws(() => iterate('some', { imagePath, ...options }), message);
    }
    assert.throws(() => iterate(0, { imagePath }), /id of a process .* target .*received 0/);
    await assert.rejects(iterate('none', { imagePath }).next(), {
      code: 'ERR_CONTAINER_NOT_FOUND',
      directories: [],
    });
    assert.ok(!existsSync(imagePath));
    await assert.rejects(iterate(workload.pid, { imagePath: '/proc' }).next(), {
      code: 'ERR_CRIU_IMAGES_DIR',
    });
  },
};
