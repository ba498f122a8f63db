import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import type { PoolMetrics } from '../../../lib/index.js';
import { requireNeeds } from '../../helpers/needs.js';
import { environmentWithCriu, projectRoot } from '../../helpers/paths.js';
import { useScope } from '../../helpers/scope.js';
import { run, until } from '../../helpers/system/exec.js';

beforeAll(() => requireNeeds('root', 'criu', 'libcriu', 'build'));

const scope = useScope();
const directory = join(projectRoot, 'examples/function-server');

test('examples/function-server answers each request in a clone, and ends when it is told to', async () => {
  const snapshot = join(await scope.directory(), 'snapshot');
  const args = [
    '--snapshot',
    snapshot,
    '--port',
    '0',
    '--size',
    '2',
    '--max',
    '3',
    '--max-uses',
    '2',
  ];
  const child = spawn(process.execPath, [join(directory, 'server.mjs'), ...args], {
    env: environmentWithCriu(),
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  scope.defer(() => child.kill('SIGKILL'));
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  const portIn = (): string | undefined => /listening on port (\d+)/.exec(output)?.[1];
  await until('it listens', () => portIn() !== undefined, 60_000);
  const port = portIn() ?? '';
  const ask = async (path: string): Promise<[number, unknown]> => {
    const response = await fetch(`http://127.0.0.1:${port}${path}`);
    return [response.status, await response.json()];
  };

  expect(await ask('/hash?of=0')).toEqual([200, expect.stringMatching(/^5feceb66/)]);
  expect(await ask('/nothing')).toEqual([404, 'There is no function /nothing']);
  expect(await ask('/fail')).toEqual([500, { message: 'This function fails' }]);
  expect(await ask('/exit')).toEqual([
    500,
    { code: 'ERR_CLONE_ENDED', message: expect.stringContaining('status 1') as string },
  ]);
  const lives = await Promise.all(Array.from({ length: 6 }, () => ask('/life')));
  for (const [status, life] of lives) {
    expect(status).toBe(200);
    expect((life as { uses: number }).uses).toBeLessThanOrEqual(5);
  }
  const { stdout } = await run(process.execPath, [
    join(directory, 'measure.mjs'),
    ...['--port', port, '--seconds', '0.5', '--clients', '2'],
  ]);
  expect(stdout).toMatch(/^\d+ requests\/s, p50 [\d.]+ ms, p99 [\d.]+ ms, 0 failed$/m);
  const [, metrics] = await ask('/metrics');
  expect((metrics as PoolMetrics).tasks).toMatchObject({ rejected: 1, lost: 1 });

  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  expect(await ended).toEqual([0, null]);
  expect(output).toContain('closed');
});
