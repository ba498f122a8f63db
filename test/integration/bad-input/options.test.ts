import { closeSync, openSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { optionTable } from '../../../lib/options/table.js';
import { Criu, checkpoint, dump, preDump } from '../../helpers/api.js';
import { given, isRefused } from '../../helpers/criu/refusal.js';
import { requireNeeds } from '../../helpers/needs.js';
import { Scope, useScope } from '../../helpers/scope.js';
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

describe('checkpoint refuses', () => {
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
    await isRefused(container, () => checkpoint(container.id, given(container, options)), {
      code: value,
      says,
    });
  });

  test('a statusFd that is open for reading only', async () => {
    const statusFd = openSync('/dev/null', 'r');
    scope.defer(() => closeSync(statusFd));
    const options = { statusFd, lazyPages: true, pageServer: '127.0.0.1:27001' };
    await isRefused(container, () => checkpoint(container.id, given(container, options)), {
      code: value,
      says: ['statusFd', String(statusFd)],
    });
  });

  test('a parentPath that is a file', async () => {
    const parent = container.path('parent-file');
    await writeFile(parent, '');
    await isRefused(
      container,
      () => checkpoint(container.id, given(container, { parentPath: '../../parent-file' })),
      {
        code: value,
        says: ['parentPath', 'parent-file'],
      },
    );
  });

  test('an unknown option, with the nearest real one suggested', async () => {
    await isRefused(
      container,
      () => checkpoint(container.id, given(container, { leaveRuning: true })),
      {
        code: value,
        says: ['leaveRuning', /leaveRunning/],
      },
    );
    await isRefused(
      container,
      () => checkpoint(container.id, given(container, { 'tcp-established': true })),
      {
        code: value,
        says: ['tcp-established', /tcpEstablished/],
      },
    );
  });

  test('options that are not an object', async () => {
    for (const options of [null, 7, 'imagePath', []]) {
      await isRefused(container, () => checkpoint(container.id, options as never), {
        code: type,
        says: ['options'],
      });
    }
  });
});

describe('every call refuses a value of a wrong JavaScript type for', () => {
  // Of no option's type: neither a plain value, nor a list, nor an object with content.
  const strangers: [string, unknown][] = [
    ['a bigint', 42n],
    ['a symbol', Symbol('odd')],
    ['a function', () => true],
    ['null', null],
  ];
  /** What `typeof` says of the right values, where a stranger could be one. */
  const typeNames: Record<string, string> = { progressHandler: 'function' };
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
      ['checkpoint', (options) => checkpoint(container.id, given(container, options))],
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
        .filter((stranger) => typeof stranger !== typeNames[row.type]),
      ...(row.type in wrong ? [wrong[row.type]] : []),
    ];
    for (const [call, invoke] of calls) {
      if (!(row.calls as readonly string[]).includes(call)) continue;
      for (const odd of values)
        await isRefused(container, () => invoke({ [name]: odd }), { code: type, says: [name] });
    }
  });
});

describe('dump and preDump refuse a pid', () => {
  test.each([
    ['0', 0, value],
    ['negative', -1, value],
    ['a fraction', 1.5, value],
    ['NaN', Number.NaN, value],
    ['larger than any', 2 ** 31, value],
    ['a string', '1', type],
    ['nothing', undefined, type],
  ])('that is %s', async (_what, pid, code) => {
    const imagePath = container.path('place/images');
    await isRefused(container, () => dump(pid as number, { imagePath }), { code, says: ['pid'] });
    await isRefused(container, () => preDump(pid as number, { imagePath }), {
      code,
      says: ['pid'],
    });
  });

  test('that no process has', async () => {
    const imagePath = container.path('place/images');
    await isRefused(container, () => dump(0x7fff_fff0, { imagePath }), {
      code: 'ERR_PROCESS_NOT_FOUND',
      says: ['2147483632'],
    });
  });
});

test('the constructor of Criu refuses settings that are not paths', async () => {
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
