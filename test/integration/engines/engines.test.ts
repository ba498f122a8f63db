import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { checkpoint, explain, listContainers, restoreContainer } from '../../helpers/api.js';
import { startContainerd } from '../../helpers/engines/containerd.js';
import { startDocker } from '../../helpers/engines/docker.js';
import {
  boxDirectory,
  countsBeyond,
  type Engine,
  type EngineRun,
} from '../../helpers/engines/engine.js';
import { startPodman } from '../../helpers/engines/podman.js';
import { report } from '../../helpers/engines/report.js';
import { requireNeeds } from '../../helpers/needs.js';
import { optionTest } from '../../helpers/option-test.js';
import { distCli } from '../../helpers/paths.js';
import { Scope, useScope } from '../../helpers/scope.js';
import { run, runOk, until } from '../../helpers/system/exec.js';
import { sharedDirectory } from '../../helpers/system/mounts.js';

const scope = useScope();
const shared = new Scope();
afterAll(() => shared.close());

const uniqueName = (name: string): string => `libcriu-${process.pid}-${name}`;

const engines = [
  { engine: 'docker', begin: startDocker, killed: /Exited \(137\)/, flags: ['--restart=always'] },
  { engine: 'podman', begin: startPodman, killed: /Exited \(137\)/, flags: ['--restart=always'] },
  { engine: 'containerd', begin: startContainerd, killed: /STOPPED/, flags: undefined },
] as const;

/** What a container of a bundle has counted to; 0 before it has. */
function countIn(bundle: string): number {
  const file = join(bundle, 'rootfs/count');
  return existsSync(file) ? Number(readFileSync(file, 'utf8')) : 0;
}

describe.each(engines)('a container of $engine', ({ engine, begin, killed, flags }) => {
  let its: Engine;
  beforeAll(async () => {
    requireNeeds('root', 'criu', 'libcriu', 'build', 'busybox', engine);
    its = await begin(shared);
  }, 120_000);

  /** Starts one, and gives its name. */
  async function started(name: string, more: Partial<EngineRun> = {}): Promise<string> {
    const unique = uniqueName(`${engine}-${name}`);
    await its.start({ name: unique, ...more });
    await countsBeyond(its, unique, 3);
    return unique;
  }

  /** An engine that cannot give a container its network back is not given its images. */
  async function refusedInPlace(name: string): Promise<void> {
    const findings = await explain(name, { inEngine: 'checkpoint' });
    expect(findings).toContainEqual(
      expect.objectContaining({ code: 'engine-network', severity: 'fails' }),
    );
    await expect(checkpoint(name, { inEngine: 'checkpoint' })).rejects.toMatchObject({
      code: 'ERR_CONTAINER_STATE',
    });
    await countsBeyond(its, name, await its.count(name));
  }

  test('is listed, is looked at and goes on after a checkpoint, by its name', async () => {
    const name = await started('runs');
    const { containers } = await listContainers();
    const found = containers.find((container) => container.name === name);
    expect(found).toMatchObject({ engine, state: 'running', pid: expect.any(Number) as number });
    const table = await runOk(process.execPath, [distCli, 'list']);
    expect(table).toMatch(new RegExp(`^${engine} +${name} +\\S+ +running +${found?.pid} `, 'm'));
    const json = JSON.parse(await runOk(process.execPath, [distCli, 'list', '--json'])) as unknown;
    expect(json).toContainEqual(expect.objectContaining({ engine, name, id: found?.id }));
    expect(await explain(name)).toEqual(expect.any(Array));
    const byName = [
      ['by name', name],
      ['left running', `${engine}:${name}`],
    ] as const;
    for (const [way, which] of byName) {
      const imagePath = join(await scope.directory(), 'images');
      const before = await its.count(name);
      const { containerId, warnings } = await checkpoint(which, { imagePath, leaveRunning: true });
      expect(containerId).toBe(found?.id);
      expect(warnings).toEqual([]);
      expect(existsSync(join(imagePath, 'inventory.img'))).toBe(true);
      const after = await countsBeyond(its, name, await its.count(name));
      expect(await its.status(name)).toMatch(/^(Up|RUNNING)/);
      await report(its, { way, before, after });
    }
  });

  test('has ended after a checkpoint, and its engine knows', async () => {
    const name = await started('ends');
    const imagePath = join(await scope.directory(), 'images');
    const { warnings } = await checkpoint(name, { imagePath });
    expect(warnings).toEqual([]);
    await until(`${engine} knows`, async () => killed.test(await its.status(name)), 20_000);
  });

  test('that has ended is brought back without its engine', async () => {
    const name = await started('elsewhere');
    // What was mounted in a shared place, as docker does it, is restored in one.
    const directory = await sharedDirectory(scope);
    const [file, bundle] = [join(directory, 'web.tar'), join(directory, 'bundle')];
    // crun covers directories by one in its state root, and knows it again in no other.
    const stateRoot = its.runtime === 'crun' ? '/run/crun' : join(directory, 'state');
    const before = await its.count(name);
    await checkpoint(name, { export: file });
    const options = { from: file, rootfs: await boxDirectory(scope), bundle, stateRoot };
    const id = uniqueName(`${engine}-restored`);
    scope.defer(() => run(its.runtime, ['--root', stateRoot, 'delete', '--force', id]));
    await restoreContainer(id, options);
    await until('it counts on', () => countIn(bundle) > before, 20_000);
    const after = countIn(bundle);
    await report(its, { way: 'killed', before, after });
  });

  if (flags !== undefined) {
    test('that its engine starts anew after a checkpoint is told of', async () => {
      const name = await started('again', { flags });
      const imagePath = join(await scope.directory(), 'images');
      const { warnings } = await checkpoint(name, { imagePath });
      expect(warnings).toEqual([
        expect.stringContaining(`${engine} starts container "${name}" anew`) as string,
      ]);
    });

    optionTest('inEngine', 'the engine restores two side by side from its own place', async () => {
      const { networkInPlace: network = 'none' } = its;
      if (network !== 'none') await refusedInPlace(await started('apart', { network: 'none' }));
      const names = await Promise.all(['one', 'two'].map((name) => started(name, { network })));
      const reached = await Promise.all(names.map((name) => countsBeyond(its, name, 20)));
      const saved = await Promise.all(
        names.map((name) => checkpoint(name, { inEngine: 'checkpoint' })),
      );
      for (const { imagePath: path } of saved) {
        expect(existsSync(join(path, 'inventory.img'))).toBe(true);
      }
      for (const [index, name] of names.entries()) {
        const before = reached[index] ?? 0;
        await until(`${engine} knows`, async () => killed.test(await its.status(name)), 20_000);
        await its.restoreInPlace?.(name, 'checkpoint');
        // One that had been started anew would begin at 1.
        const after = await countsBeyond(its, name, 0);
        expect(after).toBeGreaterThanOrEqual(before);
        expect(await its.status(name)).toMatch(/^Up/);
        await report(its, { way: 'in place', before, after });
      }
    });
  }
});
