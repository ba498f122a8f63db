import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { checkpoint, explain } from '../../helpers/api.js';
import { given, isRefused, type Refusal } from '../../helpers/criu/refusal.js';
import { requireNeeds } from '../../helpers/needs.js';
import { Scope, useScope } from '../../helpers/scope.js';
import { until } from '../../helpers/system/exec.js';
import { freezerState } from '../../helpers/system/freezer.js';
import { isAlive, startWorkload } from '../../helpers/system/process.js';
import { type Container, startContainer } from '../../helpers/workloads/container.js';

const scope = useScope();
const shared = new Scope();
let container: Container;
beforeAll(async () => {
  requireNeeds('root', 'criu', 'libcriu', 'runc', 'busybox', 'gcc');
  container = await startContainer(shared, { args: ['/workload', '-', 'idle'] });
  await mkdir(container.path('place'));
});

afterAll(() => shared.close());

const value = 'ERR_INVALID_ARG_VALUE';
const type = 'ERR_INVALID_ARG_TYPE';

describe('checkpoint refuses a container id', () => {
  test.each([
    ['with a slash', '../x/y'],
    ['..', '..'],
    ['.', '.'],
    ['with NUL', 'a\0b'],
    ['with a newline', 'a\nb'],
    ['with a newline at its end', 'a\n'],
    ['empty', ''],
    ['absolute', '/etc'],
  ])('%s', async (_what, id) => {
    await isRefused(container, () => checkpoint(id, given(container, {})), {
      code: value,
      says: ['id'],
    });
  });

  test.each([
    ['a number', 7],
    ['nothing', undefined],
    ['null', null],
    ['an object', {}],
  ])('that is %s', async (_what, id) => {
    await isRefused(container, () => checkpoint(id as string, given(container, {})), {
      code: type,
      says: ['id'],
    });
  });

  test('that no container has', async () => {
    await isRefused(container, () => checkpoint('no-such-container', given(container, {})), {
      code: 'ERR_CONTAINER_NOT_FOUND',
      says: ['no-such-container'],
    });
  });

  test('in a state root that does not exist', async () => {
    await isRefused(
      container,
      () => checkpoint(container.id, given(container, { stateRoot: '/nowhere/at/all' })),
      {
        code: 'ERR_CONTAINER_NOT_FOUND',
        says: [container.id],
      },
    );
  });
});

describe('checkpoint refuses a container', () => {
  /** A second container, since what is done to it is not undone. */
  async function refuseOther(other: Container, refusal: Refusal): Promise<void> {
    const options = given(container, {
      stateRoot: other.stateRoot,
      imagePath: other.path('images'),
    });
    await isRefused(container, () => checkpoint(other.id, options), refusal, other.directory);
  }

  test('in the created state', async () => {
    const other = await startContainer(scope, {
      start: 'create',
      args: ['/workload', '-', 'idle'],
    });
    await refuseOther(other, { code: 'ERR_CONTAINER_STATE', says: [/created state/, other.id] });
  });

  test('whose init is dead', async () => {
    const other = await startContainer(scope, { args: ['/workload', '-', 'idle'] });
    const { pid } = other;
    await other.runcOk('kill', other.id, 'KILL');
    await until('its init is dead', () => !isAlive(pid));
    expect(await other.status()).toBe('stopped');
    await refuseOther(other, { code: 'ERR_CONTAINER_STATE', says: [/stopped state/, other.id] });
  });

  async function withState(change: (text: string) => string): Promise<Container> {
    const other = await startContainer(scope, { args: ['/workload', '-', 'idle'] });
    const original = readFileSync(other.stateFile, 'utf8');
    // Put back for the clean-up, which asks runc.
    scope.defer(() => writeFileSync(other.stateFile, original));
    writeFileSync(other.stateFile, change(original));
    return other;
  }

  test('whose pid another process has taken', async () => {
    const { pid } = await startWorkload(scope, ['idle']);
    const other = await withState((text) =>
      JSON.stringify({ ...(JSON.parse(text) as object), init_process_pid: pid }),
    );
    await refuseOther(other, { code: 'ERR_CONTAINER_STATE', says: [/stopped state/, String(pid)] });
    expect(isAlive(pid)).toBe(true);
  });

  test.each<[string, (state: Record<string, unknown>) => unknown]>([
    ['a list', () => []],
    ['null', () => null],
    ['of a pid that is a string', (state) => ({ ...state, init_process_pid: '1' })],
    ['of a pid with a fraction', (state) => ({ ...state, init_process_pid: 1.5 })],
    ['without configuration', ({ config: _config, ...state }) => state],
    ['of a configuration that is a list', (state) => ({ ...state, config: [] })],
    ['of cgroup paths that are a string', (state) => ({ ...state, cgroup_paths: 'freezer' })],
    ['of another id', (state) => ({ ...state, id: 'somebody-else' })],
  ])('with a state.json %s', async (_what, change) => {
    const other = await withState((text) =>
      JSON.stringify(change(JSON.parse(text) as Record<string, unknown>)),
    );
    await refuseOther(other, { code: 'ERR_CONTAINER_CORRUPT', says: [/state\.json/] });
  });

  /** The cgroup paths of a state, with that of the freezer changed. */
  const withFreezer = (text: string, path: string): string => {
    const state = JSON.parse(text) as { cgroup_paths: Record<string, string> };
    const key = 'freezer' in state.cgroup_paths ? 'freezer' : '';
    return JSON.stringify({ ...state, cgroup_paths: { ...state.cgroup_paths, [key]: path } });
  };

  const mount = (path: string): string => path.replace(/\/[^/]*$/, '');

  test.each<[string, string, (own: string) => string]>([
    ["another container's", 'is not in it', () => container.freezerPath],
    ['that has us in it', 'this process is in it', mount],
    ['that does not exist', 'it does not exist', (own) => `${own}-gone`],
    ['that is a directory', 'not a directory of cgroups', () => container.path('place')],
    ['that is a file', 'not a directory, or a link', () => container.stateFile],
  ])('with a state that names a cgroup %s', async (_what, says, path) => {
    const other = await startContainer(scope, { args: ['/workload', '-', 'idle'] });
    const original = readFileSync(other.stateFile, 'utf8');
    scope.defer(() => writeFileSync(other.stateFile, original));
    writeFileSync(other.stateFile, withFreezer(original, path(other.freezerPath)));
    await refuseOther(other, { code: 'ERR_CONTAINER_CORRUPT', says: [says, other.id] });
    expect([other.isRunning, freezerState(other.pid)]).toEqual([true, 'THAWED']);
  });

  test('whose state names a scope that it was not restored into, until told to freeze none', async () => {
    const other = await startContainer(scope, { args: ['/workload', '-', 'idle'] });
    const scopePath = `${other.freezerPath}-empty.scope`;
    mkdirSync(scopePath);
    scope.defer(() => rmdirSync(scopePath));
    const original = readFileSync(other.stateFile, 'utf8');
    scope.defer(() => writeFileSync(other.stateFile, original));
    writeFileSync(other.stateFile, withFreezer(original, scopePath));
    const { stateRoot } = other;
    const says = [scopePath, /is not in it, but in \//, "freezer: 'ptrace'", '--systemd-cgroup'];
    await refuseOther(other, { code: 'ERR_CONTAINER_CORRUPT', says });
    const cure = { code: 'cgroup-mismatch', option: 'freezer', value: 'ptrace' };
    expect(await explain(other.id, { stateRoot })).toContainEqual(expect.objectContaining(cure));
    const options = { stateRoot, freezer: 'ptrace' } as const;
    expect(await explain(other.id, options)).not.toContainEqual(expect.objectContaining(cure));
    const imagePath = other.path('images');
    await checkpoint(other.id, { ...options, imagePath, leaveRunning: true });
    expect(existsSync(join(imagePath, 'inventory.img'))).toBe(true);
    expect(other.isRunning).toBe(true);
  });

  test.each([
    ['cut short', (text: string) => text.slice(0, text.length / 2)],
    ['empty', () => ''],
    ['not JSON', () => 'state'],
  ])('with a state.json that is %s', async (_what, change) => {
    await refuseOther(await withState(change), {
      code: 'ERR_CONTAINER_CORRUPT',
      says: [/state\.json/],
    });
  });

  test('that another checkpoint is at work on', async () => {
    const names = ['first', 'second'];
    // The one goes on when the other has been refused.
    let refuse = (): void => {};
    const isRefused = new Promise<void>((done) => {
      refuse = done;
    });
    const hooks = { preDump: () => isRefused };
    const settled = await Promise.allSettled(
      names.map((name) =>
        checkpoint(
          container.id,
          given(container, { imagePath: container.path(`place/${name}`), hooks }),
        ).catch((error: unknown) => {
          refuse();
          throw error;
        }),
      ),
    );
    // Which of them is refused does not matter; it leaves nothing.
    const refused = settled.findIndex(({ status }) => status === 'rejected');
    expect(settled[refused]).toMatchObject({ reason: { code: 'ERR_CONTAINER_BUSY' } });
    expect(settled[1 - refused]).toMatchObject({ status: 'fulfilled' });
    expect(existsSync(container.path(`place/${names[refused]}`))).toBe(false);
    expect(container.isRunning).toBe(true);
  });
});
