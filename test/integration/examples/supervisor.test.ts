import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { requireNeeds } from '../../helpers/needs.js';
import { environmentWithCriu, projectRoot } from '../../helpers/paths.js';
import { useScope } from '../../helpers/scope.js';
import { runOk, until } from '../../helpers/system/exec.js';
import { mountTmpfs } from '../../helpers/system/mounts.js';
import { brokenTicks, startContainer } from '../../helpers/workloads/container.js';

beforeAll(() => requireNeeds('root', 'criu', 'libcriu', 'build', 'runc', 'busybox'));

const scope = useScope();
const program = join(projectRoot, 'examples/supervisor/supervisor.mjs');
const stateRoot = '/run/runc';

test('examples/supervisor saves a container, keeps the last snapshots, and revives it', async () => {
  mkdirSync(stateRoot, { recursive: true });
  await mountTmpfs(scope, 'mode=700', stateRoot);
  const container = await startContainer(scope, { start: 'create' });
  // Its processes are gone then: runc starts nothing in a cgroup that still has one.
  await container.remove();
  const { bundle, id } = container;
  const snapshots = container.path('snapshots');
  const args = ['--bundle', bundle, '--snapshots', snapshots, '--every', '0.3', '--keep', '2', id];
  let output = '';

  const supervise = () => {
    // Garbage is collected all the time: what nothing holds is gone before it is waited for.
    const collect = 'data:text/javascript,setInterval(gc, 20).unref()';
    const child = spawn(process.execPath, ['--expose-gc', '--import', collect, program, ...args], {
      env: environmentWithCriu(),
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    scope.defer(() => child.kill('SIGKILL'));
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        output += text;
      });
    }
    return child;
  };
  const said = async (what: RegExp): Promise<void> => {
    await until(`the supervisor says ${what}`, () => what.test(output), 30_000).catch((cause) => {
      throw new Error(`${(cause as Error).message}. It has said:\n${output}`);
    });
  };
  const endOf = async (child: ReturnType<typeof supervise>): Promise<void> => {
    const ended = once(child, 'close');
    child.kill('SIGTERM');
    expect(await ended).toEqual([0, null]);
    expect(output).toMatch(new RegExp(`is saved, and ${id} has ended\\n$`));
  };

  scope.defer(() => runOk('runc', ['delete', '--force', id]).catch(() => {}));
  const first = supervise();
  // The third snapshot takes the place of the first.
  await said(/is removed/);
  expect(output.startsWith(`${id} is started\n`)).toBe(true);
  await runOk('runc', ['kill', id, 'KILL']);
  await said(/has ended\n(.*\n)*.* is restored from /);
  await endOf(first);
  expect(readdirSync(snapshots).length).toBe(2);
  expect(readdirSync(stateRoot)).toEqual([]);

  output = '';
  const second = supervise();
  await said(/ is restored from /);
  const reached = (await container.ticks()).length;
  await until('it counts on', async () => (await container.ticks()).length > reached + 3);
  await endOf(second);
  // It has begun at 1 once, and gone back once, to the snapshot before it was killed.
  const ticks = await container.ticks();
  expect(ticks.filter(({ number }) => number === 1)).toHaveLength(1);
  expect(brokenTicks(ticks).length).toBeLessThanOrEqual(1);
});
