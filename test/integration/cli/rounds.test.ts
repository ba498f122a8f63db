import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { Criu } from '../../helpers/api.js';
import { requireNeeds } from '../../helpers/needs.js';
import { distCli } from '../../helpers/paths.js';
import { useScope } from '../../helpers/scope.js';
import { type Outcome, run } from '../../helpers/system/exec.js';
import { goesOn, isAlive, startWorkload } from '../../helpers/system/process.js';
import { startContainer } from '../../helpers/workloads/container.js';

const scope = useScope();
beforeAll(() => requireNeeds('root', 'criu', 'libcriu', 'build', 'runc', 'busybox', 'gcc'));

const libcriu = (...args: string[]): Promise<Outcome> => run(process.execPath, [distCli, ...args]);
const place = async (): Promise<string> => join(await scope.directory(), 'images');
const hasTracking = async (): Promise<boolean> => (await new Criu().features()).memTrack;

/** What the library says where the kernel does not note which memory changes. */
const untracked = /msg="CRIU and this kernel lack memory tracking, which a pre-dump needs"\n$/;

// One kernel tracks memory, another does not: either has its own right answer. test/vm has one that does.
test('libcriu pre-dump saves the memory, or tells that the kernel cannot', async () => {
  const { pid } = await startWorkload(scope, ['memory', 8]);
  const images = await place();
  const { code, stdout, stderr } = await libcriu(
    'pre-dump',
    '--json',
    '--image-path',
    images,
    String(pid),
  );
  await goesOn({ pid });
  if (await hasTracking()) {
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(JSON.parse(stdout)).toMatchObject({ pid, imagePath: images, warnings: [] });
    const then = ['--parent-path', '../images', '--image-path', join(images, '../last')];
    expect(await libcriu('dump', ...then, String(pid))).toMatchObject({ code: 0, stderr: '' });
    return;
  }
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
  expect(stderr).toMatch(untracked);
  expect(existsSync(images)).toBe(false);
});

describe('libcriu iterate', () => {
  test('saves a process or a container in rounds, or tells that the kernel cannot', async () => {
    const { pid } = await startWorkload(scope, ['memory', 8]);
    const container = await startContainer(scope);
    for (const [target, goesOnHere] of [
      [['iterate', '--pid', String(pid)], async () => isAlive(pid)],
      [
        ['--root', container.stateRoot, 'iterate', container.id],
        () => container.countsOn().then(() => true),
      ],
    ] as const) {
      const images = await place();
      const flags = ['--json', '--leave-running', '--image-path', images];
      const { code, stdout, stderr } = await libcriu(...target, ...flags);
      expect(await goesOnHere()).toBe(true);
      if (await hasTracking()) {
        expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
        const result = JSON.parse(stdout) as { directories: string[]; rounds: unknown[] };
        expect(result.directories.at(-1)).toBe(join(images, 'final'));
        expect(result.directories).toHaveLength(result.rounds.length + 1);
        continue;
      }
      expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
      expect(stderr).toMatch(untracked);
      expect(existsSync(images)).toBe(false);
    }
  });

  test.each([
    [['--max-iterations', '0', 'web'], /--max-iterations but received 0/],
    [['--target-pages', 'few', 'web'], /Expected an integer for --target-pages/],
    [['--existing', 'reuse', 'web'], /There is no flag '--existing'/],
    [['--export', '/srv/web.tar', 'web'], /There is no flag '--export'/],
    [['--parent-path', '../x', 'web'], /There is no flag '--parent-path'/],
    [['--pid', 'web'], /Expected the id of a process for --pid but received 'web'/],
    [['--page-server', '127.0.0.1:27', 'web'], /--page-server but received/],
    [['--pid', '1', '--engine', 'docker'], /--engine is for a container only/],
    [['--journal', 'web'], /--journal is for a process only/],
    [[], /the container id, or --pid or --unit for iterate/],
  ])('refuses %j before anything is touched', async (args, says) => {
    const { code, stdout, stderr } = await libcriu('iterate', ...args);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(says);
    expect(stderr.trim().split('\n')).toHaveLength(1);
  });
});
