import { closeSync, existsSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { lchown, mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { optionTable } from '../../../lib/options/table.js';
import { type CheckpointOptions, Criu, checkpoint, dump, preDump } from '../../helpers/api.js';
import { requireNeeds } from '../../helpers/needs.js';
import { Scope, useScope } from '../../helpers/scope.js';
import { runOk } from '../../helpers/system/exec.js';
import { isAlive, startWorkload } from '../../helpers/system/process.js';
import { snapshotDirectory } from '../../helpers/system/snapshot.js';
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

interface Refusal {
  code: string;
  /** Parts of the sentence: the option and what was given. */
  says: readonly (string | RegExp)[];
}

/** Refused with this code and one sentence, nothing written anywhere, the container running. */
async function isRefused(
  call: () => Promise<unknown>,
  { code, says }: Refusal,
  directory = container.directory,
): Promise<void> {
  const before = snapshotDirectory(directory);
  const workingDirectory = process.cwd();
  const error = await call().then(
    () => {
      throw new Error('was to be refused and was not');
    },
    (reason: unknown) => reason as Error & { code: string },
  );
  expect({ code: error.code, message: error.message }).toEqual({
    code,
    message: expect.any(String) as string,
  });
  for (const part of says) expect(error.message).toMatch(part);
  expect(error.message).not.toMatch(/\n/);
  expect(snapshotDirectory(directory)).toEqual(before);
  expect(process.cwd()).toBe(workingDirectory);
  expect(container.isRunning).toBe(true);
  expect(container.freezer).toBe('THAWED');
}

/** The options under test, over ones that would make the checkpoint succeed. */
const given = (options: Record<string, unknown>): CheckpointOptions =>
  ({
    stateRoot: container.stateRoot,
    imagePath: container.path('place/images'),
    leaveRunning: true,
    ...options,
  }) as CheckpointOptions;

const value = 'ERR_INVALID_ARG_VALUE';
const type = 'ERR_INVALID_ARG_TYPE';

describe('the container id', () => {
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
    await isRefused(() => checkpoint(id, given({})), { code: value, says: ['id'] });
  });

  test.each([
    ['a number', 7],
    ['nothing', undefined],
    ['null', null],
    ['an object', {}],
  ])('%s', async (_what, id) => {
    await isRefused(() => checkpoint(id as string, given({})), { code: type, says: ['id'] });
  });

  test('unknown', async () => {
    await isRefused(() => checkpoint('no-such-container', given({})), {
      code: 'ERR_CONTAINER_NOT_FOUND',
      says: ['no-such-container'],
    });
  });

  test('in a state root that does not exist', async () => {
    await isRefused(() => checkpoint(container.id, given({ stateRoot: '/nowhere/at/all' })), {
      code: 'ERR_CONTAINER_NOT_FOUND',
      says: [container.id],
    });
  });
});

describe('option values', () => {
  test.each<[string, Record<string, unknown>, (string | RegExp)[]]>([
    ['pageServer without port', { pageServer: '127.0.0.1' }, ['pageServer', /127\.0\.0\.1/]],
    [
      'pageServer with an empty port',
      { pageServer: '127.0.0.1:' },
      ['pageServer', /127\.0\.0\.1:/],
    ],
    ['pageServer with port 0', { pageServer: '127.0.0.1:0' }, ['pageServer', /:0/]],
    ['pageServer with port 70000', { pageServer: '127.0.0.1:70000' }, ['pageServer', /70000/]],
    ['pageServer with a word for a port', { pageServer: '127.0.0.1:http' }, ['pageServer', /http/]],
    [
      'pageServer with IPv6 without brackets',
      { pageServer: '::1:27000' },
      ['pageServer', /::1:27000/],
    ],
    ['pageServer without address', { pageServer: ':27000' }, ['pageServer', /:27000/]],
    ['manageCgroupsMode', { manageCgroupsMode: 'hard' }, ['manageCgroupsMode', 'hard', 'soft']],
    ['emptyNs', { emptyNs: ['mount'] }, ['emptyNs', 'mount', 'network']],
    ['networkLock', { networkLock: 'pf' }, ['networkLock', 'pf', 'nftables']],
    ['freezer', { freezer: 'fridge' }, ['freezer', 'fridge', 'ptrace']],
    ['logLevel', { logLevel: 9 }, ['logLevel', '9']],
    ['logFile with a slash', { logFile: '../dump.log' }, ['logFile', /\.\.\/dump\.log/]],
    ['timeoutMs', { timeoutMs: -1 }, ['timeoutMs', '-1']],
    ['ghostLimit', { ghostLimit: -1 }, ['ghostLimit', '-1']],
    [
      'statusFd negative',
      { statusFd: -1, lazyPages: true, pageServer: '127.0.0.1:27001' },
      ['statusFd', '-1'],
    ],
    [
      'statusFd that is not open',
      { statusFd: 9999, lazyPages: true, pageServer: '127.0.0.1:27001' },
      ['statusFd', '9999'],
    ],
    [
      'statusFd with a fraction',
      { statusFd: 3.5, lazyPages: true, pageServer: '127.0.0.1:27001' },
      ['statusFd', /3\.5/],
    ],
    ['imagePath with NUL', { imagePath: 'a\0b' }, ['imagePath']],
    ['imagePath empty', { imagePath: '' }, ['imagePath']],
    ['parentPath absolute', { parentPath: '/tmp' }, ['parentPath', '/tmp']],
    ['parentPath missing', { parentPath: '../missing' }, ['parentPath', /\.\.\/missing/]],
  ])('%s', async (_what, options, says) => {
    await isRefused(() => checkpoint(container.id, given(options)), { code: value, says });
  });

  test('statusFd that is open for reading only', async () => {
    const statusFd = openSync('/dev/null', 'r');
    scope.defer(() => closeSync(statusFd));
    const options = { statusFd, lazyPages: true, pageServer: '127.0.0.1:27001' };
    await isRefused(() => checkpoint(container.id, given(options)), {
      code: value,
      says: ['statusFd', String(statusFd)],
    });
  });

  test('parentPath that is a file', async () => {
    const parent = container.path('parent-file');
    await writeFile(parent, '');
    await isRefused(() => checkpoint(container.id, given({ parentPath: '../../parent-file' })), {
      code: value,
      says: ['parentPath', 'parent-file'],
    });
  });

  test('an unknown option, with the nearest real one suggested', async () => {
    await isRefused(() => checkpoint(container.id, given({ leaveRuning: true })), {
      code: value,
      says: ['leaveRuning', /leaveRunning/],
    });
    await isRefused(() => checkpoint(container.id, given({ 'tcp-established': true })), {
      code: value,
      says: ['tcp-established', /tcpEstablished/],
    });
  });

  test('options that are not an object', async () => {
    for (const options of [null, 7, 'imagePath', []]) {
      await isRefused(() => checkpoint(container.id, options as never), {
        code: type,
        says: ['options'],
      });
    }
  });
});

describe('every option refuses every wrong JavaScript type', () => {
  // Of no option's type: neither a plain value, nor a list, nor an object with content.
  const strangers: [string, unknown][] = [
    ['a bigint', 42n],
    ['a symbol', Symbol('odd')],
    ['a function', () => true],
    ['null', null],
  ];
  // Of another option's type.
  const wrong: Record<string, unknown> = {
    boolean: 42,
    string: 42,
    path: 42,
    integer: '42',
    enum: 42,
    address: 42,
    'string[]': 'one',
    'enum[]': 'one',
    pairs: 'one',
  };

  test.each(optionTable.map((row) => [row.name, row] as const))('%s', async (name, row) => {
    const calls: [string, (options: Record<string, unknown>) => Promise<unknown>][] = [
      ['checkpoint', (options) => checkpoint(container.id, given(options))],
      [
        'dump',
        (options) =>
          dump(container.pid, {
            ...options,
            imagePath: container.path('place/d'),
            ...options,
          } as never),
      ],
      [
        'preDump',
        (options) =>
          preDump(container.pid, { imagePath: container.path('place/p'), ...options } as never),
      ],
    ];
    const values = [
      ...strangers
        .map(([, stranger]) => stranger)
        .filter((stranger) => typeof stranger !== row.type),
      ...(row.type in wrong ? [wrong[row.type]] : []),
    ];
    for (const [call, invoke] of calls) {
      if (!(row.calls as readonly string[]).includes(call)) continue;
      for (const odd of values)
        await isRefused(() => invoke({ [name]: odd }), { code: type, says: [name] });
    }
  });
});

describe('the image path', () => {
  test('a file', async () => {
    await writeFile(container.path('place/file'), 'precious');
    await isRefused(
      () => checkpoint(container.id, given({ imagePath: container.path('place/file') })),
      {
        code: value,
        says: ['imagePath', 'place/file'],
      },
    );
  });

  test('below a file', async () => {
    await writeFile(container.path('place/file'), 'precious');
    await isRefused(
      () => checkpoint(container.id, given({ imagePath: container.path('place/file/images') })),
      {
        code: value,
        says: ['imagePath', 'place/file/images'],
      },
    );
  });

  test('a dangling symbolic link', async () => {
    await symlink('nowhere', container.path('place/dangling'));
    await isRefused(
      () => checkpoint(container.id, given({ imagePath: container.path('place/dangling') })),
      {
        code: value,
        says: ['imagePath', 'place/dangling', /symbolic link/],
      },
    );
  });

  test('a symbolic link that another user made', async () => {
    const target = container.path('place/target');
    const planted = container.path('place/planted');
    await mkdir(target);
    await symlink(target, planted);
    await lchown(planted, 65534, 65534);
    await isRefused(() => checkpoint(container.id, given({ imagePath: planted })), {
      code: value,
      says: ['imagePath', 'place/planted', /symbolic link/],
    });
    await isRefused(() => checkpoint(container.id, given({ imagePath: join(planted, 'images') })), {
      code: value,
      says: ['imagePath', 'place/planted', /symbolic link/],
    });
  });

  test('a place where nobody can write', async () => {
    const readOnly = container.path('place/read-only');
    await mkdir(readOnly);
    await runOk('mount', ['-t', 'tmpfs', '-o', 'ro', 'none', readOnly]);
    scope.defer(() => runOk('umount', [readOnly]));
    for (const imagePath of [join(readOnly, 'images'), '/proc/libcriu', '/sys/libcriu']) {
      await isRefused(() => checkpoint(container.id, given({ imagePath })), {
        code: 'ERR_CRIU_IMAGES_DIR',
        says: ['imagePath', imagePath],
      });
    }
  });

  test('a work path that is a file', async () => {
    await writeFile(container.path('place/file'), 'precious');
    await isRefused(
      () => checkpoint(container.id, given({ workPath: container.path('place/file') })),
      {
        code: value,
        says: ['workPath', 'place/file'],
      },
    );
  });
});

describe('the state of the container', () => {
  /** A second container, since what is done to it is not undone. */
  async function refuseOther(other: Container, refusal: Refusal): Promise<void> {
    const options = given({ stateRoot: other.stateRoot, imagePath: other.path('images') });
    await isRefused(() => checkpoint(other.id, options), refusal, other.directory);
  }

  test('created', async () => {
    const other = await startContainer(scope, {
      start: 'create',
      args: ['/workload', '-', 'idle'],
    });
    await refuseOther(other, { code: 'ERR_CONTAINER_STATE', says: [/created state/, other.id] });
  });

  test('stopped, its init dead', async () => {
    const other = await startContainer(scope, { args: ['/workload', '-', 'idle'] });
    const { pid } = other;
    await other.runcOk('kill', other.id, 'KILL');
    for (let waited = 0; isAlive(pid) && waited < 100; waited++)
      await new Promise((r) => setTimeout(r, 20));
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

  test('its pid taken by another process', async () => {
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
  ])('a state.json %s', async (_what, change) => {
    const other = await withState((text) =>
      JSON.stringify(change(JSON.parse(text) as Record<string, unknown>)),
    );
    await refuseOther(other, { code: 'ERR_CONTAINER_CORRUPT', says: [/state\.json/] });
  });

  test.each([
    ['cut short', (text: string) => text.slice(0, text.length / 2)],
    ['empty', () => ''],
    ['not JSON', () => 'state'],
  ])('a state.json that is %s', async (_what, change) => {
    await refuseOther(await withState(change), {
      code: 'ERR_CONTAINER_CORRUPT',
      says: [/state\.json/],
    });
  });

  test('a second checkpoint of the same container at the same time', async () => {
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
          given({ imagePath: container.path(`place/${name}`), hooks }),
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

describe('pids of dump and preDump', () => {
  test.each([
    ['0', 0, value],
    ['negative', -1, value],
    ['a fraction', 1.5, value],
    ['NaN', Number.NaN, value],
    ['larger than any', 2 ** 31, value],
    ['a string', '1', type],
    ['nothing', undefined, type],
  ])('%s', async (_what, pid, code) => {
    const imagePath = container.path('place/images');
    await isRefused(() => dump(pid as number, { imagePath }), { code, says: ['pid'] });
    await isRefused(() => preDump(pid as number, { imagePath }), { code, says: ['pid'] });
  });

  test('of no process', async () => {
    const imagePath = container.path('place/images');
    await isRefused(() => dump(0x7fff_fff0, { imagePath }), {
      code: 'ERR_PROCESS_NOT_FOUND',
      says: ['2147483632'],
    });
  });
});

test('settings of Criu that are not paths', async () => {
  for (const settings of [{ binary: 7 }, { prefix: [] }, { library: {} }, { binary: '' }]) {
    const [name = ''] = Object.keys(settings);
    expect(() => new Criu(settings as never)).toThrowError(
      expect.objectContaining({
        code: type,
        message: expect.stringContaining(name) as string,
      }) as Error,
    );
  }
});
