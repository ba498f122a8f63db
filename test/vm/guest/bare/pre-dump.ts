import assert from 'node:assert/strict';
import { cpSync, existsSync, readdirSync, rmSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import {
  checkpoint,
  dump,
  type PageServerHandle,
  preDump,
  startPageServer,
} from '../../../helpers/api.js';
import { distCli } from '../../../helpers/paths.js';
import { runOk } from '../../../helpers/system/exec.js';
import { isAlive } from '../../../helpers/system/process.js';
import type { Container } from '../../../helpers/workloads/container.js';
import { changingContainer, changingProcess } from '../changing-memory.js';
import { mebibyte, pagesBytes, pagesOnDisk } from '../pages.js';
import { restoreProcess } from '../restore.js';
import type { Suite } from '../suite-module.js';

/** The command in the place of runc's. */
function libcriu(container: Container, ...args: string[]): Promise<string> {
  const global = ['--root', container.stateRoot];
  return runOk(process.execPath, [distCli, ...global, 'checkpoint', ...args, container.id]);
}

/** What is wrong with a parent is one sentence that names it, and the process goes on. */
async function assertBadParent(
  pid: number,
  operation: Promise<unknown>,
  imagePath: string,
  message: RegExp,
): Promise<void> {
  await assert.rejects(operation, (error: Error & { code?: string }) => {
    assert.equal(error.name, 'RangeError');
    assert.equal(error.code, 'ERR_INVALID_ARG_VALUE');
    assert.match(error.message, /parentPath/);
    assert.match(error.message, message);
    assert.doesNotMatch(error.message, /\n/);
    return true;
  });
  assert.ok(!existsSync(imagePath));
  assert.ok(isAlive(pid));
}

const addressOf = ({ address, port }: PageServerHandle): { address: string; port: number } => ({
  address,
  port,
});

export const title = 'pre-dump';

export const suite: Suite = {
  'preDump saves the memory of a process, which runs on': async (scope) => {
    const { workload, memory } = await changingProcess(scope, 8, 1);
    const directory = await scope.directory();
    for (const preDumpMode of ['splice', 'read'] as const) {
      const imagePath = join(directory, preDumpMode);
      const { stats, timings } = await preDump(workload.pid, { imagePath, preDumpMode });
      assert.ok((stats?.pagesWritten ?? 0) >= 2048, `${stats?.pagesWritten} pages`);
      assert.ok((timings.pauseMs ?? 0) > 0);
      const names = readdirSync(imagePath);
      assert.ok(names.includes(`pagemap-${workload.pid}.img`), names.join(' '));
      assert.ok(!names.some((name) => name.startsWith('core-')), names.join(' '));
      await memory.change();
    }
  },

  'checkpoint with preDump and parentPath makes what runc restores': async (scope) => {
    const { container, memory } = await changingContainer(scope, 16, 5);
    const { stateRoot } = container;
    const path = (name: string): string => container.path(name);
    await checkpoint(container.id, { stateRoot, imagePath: path('1'), preDump: true });
    await memory.change();
    await checkpoint(container.id, {
      stateRoot,
      imagePath: path('2'),
      parentPath: '../1',
      preDump: true,
    });
    assert.equal(await container.status(), 'running');
    const sum = await memory.change();
    const { stats } = await checkpoint(container.id, {
      stateRoot,
      imagePath: path('final'),
      parentPath: '../2',
    });
    assert.ok((stats?.pagesSkippedParent ?? 0) > 0.9 * 4096);
    assert.ok((stats?.pagesWritten ?? 4096) < 0.1 * 4096);
    await container.restore(path('final'));
    assert.equal(await memory.checksum(), sum);
  },

  'the command does it with --pre-dump and --parent-path': async (scope) => {
    const { container, memory } = await changingContainer(scope, 16, 5);
    const path = (name: string): string => container.path(name);
    await libcriu(container, '--pre-dump', '--image-path', path('1'));
    assert.equal(await container.status(), 'running');
    const sum = await memory.change();
    await libcriu(container, '--parent-path', '../1', '--image-path', path('final'));
    assert.equal(await container.status(), undefined);
    await container.restore(path('final'));
    assert.equal(await memory.checksum(), sum);
  },

  'page servers take a chain, and autoDedup frees in the parent what comes anew': async (scope) => {
    const { workload, memory } = await changingProcess(scope, 32, 25);
    const directory = await scope.directory();
    const received = (round: number): string => join(directory, 'received', String(round));
    const sent = (round: number): string => join(directory, 'sent', String(round));
    const address = '127.0.0.1';

    const first = await startPageServer({ imagePath: received(1), address });
    await preDump(workload.pid, { imagePath: sent(1), pageServer: addressOf(first) });
    await first.finished;
    assert.ok(pagesOnDisk(received(1)) >= 32 * mebibyte);
    assert.equal(pagesBytes(sent(1)), 0);

    const sum = await memory.change();
    const chain = { parentPath: '../1' };
    const settings = { imagePath: received(2), address, autoDedup: true, ...chain };
    const second = await startPageServer(settings);
    await dump(workload.pid, { imagePath: sent(2), pageServer: addressOf(second), ...chain });
    await second.finished;
    assert.equal(pagesBytes(sent(2)), 0);
    const written = pagesBytes(received(2));
    assert.ok(written >= 8 * mebibyte && written < 9 * mebibyte, `${written} bytes came anew`);
    const all = pagesOnDisk(received(1)) + pagesOnDisk(received(2));
    assert.ok(all < 33 * mebibyte, `${all} bytes in both`);

    // All but the memory has stayed with the sender.
    for (const name of readdirSync(sent(2))) {
      const target = join(received(2), name);
      if (!existsSync(target)) cpSync(join(sent(2), name), target, { verbatimSymlinks: true });
    }
    await restoreProcess(scope, workload, received(2));
    assert.equal(await memory.checksum(), sum);
  },

  "runc's pre-dump is our parent, and ours is runc's": async (scope) => {
    const { container, memory } = await changingContainer(scope, 16, 5);
    const { stateRoot } = container;
    const path = (name: string): string => container.path(name);
    await container.runcOk('checkpoint', '--pre-dump', '--image-path', path('1'), container.id);
    await memory.change();
    await checkpoint(container.id, {
      stateRoot,
      imagePath: path('2'),
      parentPath: '../1',
      preDump: true,
    });
    const added = ['parent', 'libcriu.json', 'libcriu-criu.json'];
    const ours = readdirSync(path('2')).filter((name) => !added.includes(name));
    assert.deepEqual(ours.sort(), readdirSync(path('1')).sort());
    const sum = await memory.change();
    const parent = ['--parent-path', '../2', '--image-path', path('final')];
    await container.runcOk('checkpoint', ...parent, container.id);
    await container.restore(path('final'));
    assert.equal(await memory.checksum(), sum);
  },

  'a parent without images, or without those of the process, is refused': async (scope) => {
    const { workload } = await changingProcess(scope, 1, 1);
    const directory = await scope.directory();
    const [imagePath, parent] = [join(directory, 'next'), join(directory, 'parent')];
    const next = (): Promise<unknown> =>
      preDump(workload.pid, { imagePath, parentPath: '../parent' });
    await assertBadParent(workload.pid, next(), imagePath, /no such directory/);
    await mkdir(parent);
    await assertBadParent(workload.pid, next(), imagePath, /no complete images/);
    await preDump(workload.pid, { imagePath: parent });
    const pagemap = join(parent, `pagemap-${workload.pid}.img`);
    rmSync(pagemap);
    await assertBadParent(workload.pid, next(), imagePath, /no memory of that process/);
  },

  'the parent of a different process is refused': async (scope) => {
    const { workload: first } = await changingProcess(scope, 1, 1);
    const { workload: second } = await changingProcess(scope, 1, 1);
    const directory = await scope.directory();
    await preDump(first.pid, { imagePath: join(directory, 'first') });
    const imagePath = join(directory, 'second');
    await assertBadParent(
      second.pid,
      dump(second.pid, { imagePath, parentPath: '../first' }),
      imagePath,
      new RegExp(`another process \\(${first.pid}\\)`),
    );
  },

  'the parent of a different container is refused, though both are process 1': async (scope) => {
    const { container: first } = await changingContainer(scope, 1, 1);
    const { container: second } = await changingContainer(scope, 1, 1);
    const parent = first.path('pre');
    await checkpoint(first.id, { stateRoot: first.stateRoot, imagePath: parent, preDump: true });
    const imagePath = first.path('second');
    await assertBadParent(
      second.pid,
      checkpoint(second.id, { stateRoot: second.stateRoot, imagePath, parentPath: '../pre' }),
      imagePath,
      /another process/,
    );
    assert.equal(await second.status(), 'running');
  },

  'a parent that is not the latest save is refused: CRIU would restore old memory': async (
    scope,
  ) => {
    const { workload, memory } = await changingProcess(scope, 4, 10);
    const { pid } = workload;
    const directory = await scope.directory();
    const path = (name: string): string => join(directory, name);
    await preDump(pid, { imagePath: path('1') });
    await memory.change();
    await preDump(pid, { imagePath: path('2'), parentPath: '../1' });
    const sum = await memory.change();
    const late = dump(pid, { imagePath: path('final'), parentPath: '../1' });
    await assertBadParent(pid, late, path('final'), new RegExp(`since, into ${path('2')}$`));
    await dump(pid, { imagePath: path('final'), parentPath: '../2' });
    await restoreProcess(scope, workload, path('final'));
    assert.equal(await memory.checksum(), sum);
  },

  'after a save that failed behind the memory a chain has to begin anew': async (scope) => {
    const { workload, memory } = await changingProcess(scope, 4, 10);
    const { pid } = workload;
    const directory = await scope.directory();
    const path = (name: string): string => join(directory, name);
    const refuse = (): never => {
      throw new Error('not now');
    };
    await preDump(pid, { imagePath: path('1') });
    await memory.change();
    // Before CRIU looks at the memory nothing is lost.
    const early = { parentPath: '../1', hooks: { queryExtFiles: refuse } };
    await assert.rejects(dump(pid, { imagePath: path('final'), ...early }), /not now/);
    rmSync(path('final'), { recursive: true });
    const late = { parentPath: '../1', hooks: { postDump: refuse } };
    await assert.rejects(dump(pid, { imagePath: path('final'), ...late }), /not now/);
    rmSync(path('final'), { recursive: true });
    const again = dump(pid, { imagePath: path('final'), parentPath: '../1' });
    await assertBadParent(pid, again, path('final'), /has failed.*start anew without parentPath/);
    await preDump(pid, { imagePath: path('anew') });
    const sum = await memory.change();
    await dump(pid, { imagePath: path('final'), parentPath: '../anew' });
    await restoreProcess(scope, workload, path('final'));
    assert.equal(await memory.checksum(), sum);
  },
};
