import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import type { RestoreOptions } from '../../../lib/index.js';
import { Criu, restore } from '../../helpers/api.js';
import { dumpAway, restoreFails, restoreOk } from '../../helpers/criu/restored.js';
import { untilFree } from '../../helpers/criu/self-saved.js';
import { startService } from '../../helpers/criu/start-criu.js';
import { requireNeeds } from '../../helpers/needs.js';
import { optionTest } from '../../helpers/option-test.js';
import { projectRoot } from '../../helpers/paths.js';
import { useScope } from '../../helpers/scope.js';
import { until } from '../../helpers/system/exec.js';
import { isAlive, startWorkload } from '../../helpers/system/process.js';

beforeAll(() => requireNeeds('root', 'criu', 'libcriu', 'build'));

const scope = useScope();
const app = resolve(projectRoot, 'test/helpers/children/new-life.mjs');

interface Snapshot {
  imagePath: string;
  port: number;
}

async function snapshot(): Promise<Snapshot> {
  const directory = await scope.directory();
  const [imagePath, report] = [join(directory, 'images'), join(directory, 'report')];
  const child = spawn(process.execPath, [app, JSON.stringify({ imagePath, report }), 'old'], {
    detached: true,
    stdio: 'ignore',
    cwd: '/',
    env: { ...process.env, KEPT: 'old', GONE: 'old' },
  });
  scope.defer(() => child.kill('SIGKILL'));
  await once(child, 'exit');
  await untilFree(imagePath);
  const { port } = JSON.parse(readFileSync(report, 'utf8')) as { port: number };
  return { imagePath, port };
}

/** What a new life of it answers to a request. */
async function live({ imagePath, port }: Snapshot, path: string, options: RestoreOptions = {}) {
  const { pid, kill } = await restoreOk(scope, imagePath, options);
  const ask = async () => (await fetch(`http://127.0.0.1:${port}${path}`)).json() as unknown;
  // Handlers, and the messages to threads, come after the first event.
  const ready = async () => (path === '/life' ? hasHeard(await ask()) : true);
  await until('its threads have heard of it', ready);
  const answer = (await ask()) as Record<string, unknown>;
  await kill();
  await until('its pid is free', () => !isAlive(pid));
  return answer;
}

function hasHeard(answer: unknown): boolean {
  const { heard, worker } = answer as Record<string, unknown>;
  return heard !== undefined && worker !== undefined;
}

optionTest(
  ['data', 'env', 'argv'],
  'tell a program of its new life, on each thread, and each time of another',
  async () => {
    const saved = await snapshot();
    const big = 'x'.repeat(5_000_000);
    const data = { id: 7, when: new Date(0), of: new Map([['a', 1n]]), big };
    // JSON cannot say all of it, so it is looked at in parts.
    const first = await live(saved, '/life', { data: { id: 7, big, list: [1, null] } });
    const event = { restored: true, data: { id: 7, big, list: [1, null] } };
    expect(first).toMatchObject({ told: event.data, heard: event, worker: event });
    expect(first['env']).toMatchObject({ KEPT: 'old', GONE: 'old' });
    expect(first['argv']).toEqual([expect.stringContaining('imagePath'), 'old']);

    const env = { KEPT: 'new', SECRET: 'äöü', UNSET: undefined };
    const second = await live(saved, '/life', { data: [data.when], env, argv: ['one', ''] });
    expect(second).toMatchObject({ told: ['1970-01-01T00:00:00.000Z'], argv: ['one', ''] });
    expect(second['env']).toEqual({ KEPT: 'new', SECRET: 'äöü' });

    const third = await live(saved, '/life');
    expect(third).toMatchObject({ heard: { restored: true }, env: { GONE: 'old' } });
    expect(third).not.toHaveProperty('told');
    expect(await live(saved, '/life', { data: null })).toMatchObject({ told: null });
  },
);

test('its random numbers are its own, on each thread and by each function', async () => {
  const saved = await snapshot();
  const all: unknown[] = [];
  for (let round = 0; round < 8; round++) {
    all.push(...Object.values(await live(saved, '/random')));
  }
  expect(all).toHaveLength(8 * 7);
  // Of a function that was taken before, a number that comes anyway is now and then the same.
  expect(new Set(all).size).toBeGreaterThanOrEqual(8 * 7 - 1);
});

test('images of another process have nobody who would hear of it', async () => {
  const imagePath = await dumpAway(scope, await startWorkload(scope, ['idle']));
  for (const told of [{ data: 1 }, { env: {} }, { argv: [] }]) {
    const error = await restoreFails(imagePath, told);
    expect(error).toMatchObject({ code: 'ERR_CRIU_IMAGES_DIR', operation: 'restore' });
    expect(error.message).toContain(`nobody would hear of ${Object.keys(told)[0]}`);
  }
  const { service } = await startService(scope);
  const criu = new Criu({ service });
  await expect(restore(imagePath, { criu, data: 'secret' })).rejects.toMatchObject({
    code: 'ERR_INVALID_ARG_VALUE',
    option: 'data',
    message: expect.not.stringContaining('secret') as string,
  });
});
