import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { cloneOk } from '../../helpers/criu/clones.js';
import { requireNeeds } from '../../helpers/needs.js';
import { projectRoot } from '../../helpers/paths.js';
import { useScope } from '../../helpers/scope.js';
import { until } from '../../helpers/system/exec.js';
import { isAlive } from '../../helpers/system/process.js';

beforeAll(() => requireNeeds('root', 'criu', 'libcriu', 'build'));

const scope = useScope();
const app = resolve(projectRoot, 'test/helpers/children/listener.mjs');
/** A hundred take as long as all other tests of clones together. */
const count = Number(process.env['LIBCRIU_TEST_CLONES'] ?? 12);

interface Answer {
  id: number;
  warm: string;
  numbers: unknown[];
}

test('clones of one server are alive at once, each with its own data, numbers and port', async () => {
  const directory = await scope.directory();
  const imagePath = join(directory, 'images');
  const child = spawn(process.execPath, [app, imagePath], {
    detached: true,
    stdio: 'ignore',
    cwd: '/',
  });
  scope.defer(() => child.kill('SIGKILL'));
  await once(child, 'exit');

  const clones = await Promise.all(
    Array.from({ length: count }, async (_, id) => {
      const report = join(directory, `port-${id}`);
      const { pid, exited } = await cloneOk(scope, imagePath, { data: { id, report } });
      return { id, pid, exited, report };
    }),
  );
  expect(new Set(clones.map(({ pid }) => pid)).size).toBe(count);
  const portOf = (report: string): string =>
    existsSync(report) ? readFileSync(report, 'utf8') : '';
  await until('all listen', () => clones.every(({ report }) => portOf(report) !== ''), 60_000);

  const answers = await Promise.all(
    clones.map(async ({ report }) => {
      const response = await fetch(`http://127.0.0.1:${portOf(report)}`);
      return (await response.json()) as Answer;
    }),
  );
  expect(answers.map(({ id }) => id)).toEqual(clones.map(({ id }) => id));
  expect(new Set(answers.map(({ warm }) => warm)).size).toBe(1);
  expect(new Set(clones.map(({ report }) => portOf(report))).size).toBe(count);
  expect(new Set(answers.flatMap(({ numbers }) => numbers)).size).toBe(3 * count);

  // Those that are left do not notice the end of another one.
  const order = clones.map((clone) => ({ clone, at: Math.random() })).sort((a, b) => a.at - b.at);
  for (const { clone } of order) {
    process.kill(clone.pid, 'SIGKILL');
    expect(await clone.exited).toEqual({ code: null, signal: 'SIGKILL' });
  }
  expect(clones.filter(({ pid }) => isAlive(pid))).toEqual([]);
});
