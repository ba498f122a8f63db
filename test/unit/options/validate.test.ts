import { closeSync, constants, openSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { inspect } from 'node:util';
import { describe, expect, test } from 'vitest';
import { Criu } from '../../../lib/criu/criu.js';
import { optionsOf } from '../../../lib/options/calls.js';
import type { Call } from '../../../lib/options/schema.js';
import { checkStatusFd } from '../../../lib/options/status-fd.js';
import { optionTable } from '../../../lib/options/table.js';
import { validateOptions } from '../../../lib/options/validate.js';
import { useScope } from '../../helpers/scope.js';

const scope = useScope();
const calls: Call[] = [
  'checkpoint',
  'dump',
  'preDump',
  'restore',
  'restoreContainer',
  'startPageServer',
  'startLazyPages',
];
/** What a call cannot do without. */
const needed: Partial<Record<Call, Record<string, unknown>>> = {
  startPageServer: { address: '10.0.0.1' },
  startLazyPages: { address: 'a-host', port: 27 },
};
const type = 'ERR_INVALID_ARG_TYPE';
const value = 'ERR_INVALID_ARG_VALUE';

function refusal(call: Call, options: unknown): Error & { code: string } {
  try {
    validateOptions(call, options);
  } catch (error) {
    return error as Error & { code: string };
  }
  throw new Error(`${call} took ${inspect(options)}`);
}

function open(path: string, flags: number | string): number {
  const fd = openSync(path, flags);
  scope.defer(() => closeSync(fd));
  return fd;
}

describe('defaults', () => {
  test("are runc's", () => {
    expect(validateOptions('checkpoint', {})).toEqual({
      imagePath: resolve('checkpoint'),
      existing: 'refuse',
      manageCgroupsMode: 'soft',
      logLevel: 4,
      logFile: 'dump.log',
    });
  });

  test.each(['dump', 'preDump'] as const)("of %s leave cgroups to CRIU's own", (call) => {
    expect(validateOptions(call, undefined)).toEqual({
      imagePath: resolve('checkpoint'),
      existing: 'refuse',
      logLevel: 4,
      logFile: 'dump.log',
    });
  });

  test('are filled in for undefined', () => {
    expect(validateOptions('dump', { logLevel: undefined })).toMatchObject({ logLevel: 4 });
  });
});

describe('what is right', () => {
  // One good value for each type; a row that needs another one has it by its name, below.
  const good: Record<string, unknown> = {
    boolean: true,
    integer: 3,
    path: '/some/path',
    relativePath: '../parent',
    fileName: 'my.log',
    'path[]': ['/a'],
    'string[]': ['name'],
    address: '10.0.0.1:27',
    ip: '10.0.0.2',
    host: 'host.example',
    'cgroupRoot[]': [{ path: '/a' }, { controller: 'cpu', path: '/b' }],
    signal: new AbortController().signal,
    criu: new Criu(),
    hooks: { postDump() {} },
    string: 'name',
    'joinedNamespace[]': [{ type: 'net', path: '/proc/1/ns/net' }],
    'inheritedFd[]': [{ fd: 2, resource: 'pipe:[4711]' }],
  };
  const goodByName: Record<string, unknown> = {
    'restore hooks': { postRestore() {} },
    lsmProfile: 'apparmor:name',
    external: ['mnt[/data]:data', 'mnt[]', 'net[4026531840]:extRootNetNS'],
  };
  const company: Record<string, Record<string, unknown>> = {
    preDumpMode: { preDump: true },
    lazyPages: { pageServer: '10.0.0.1:27' },
    tls: { pageServer: '10.0.0.1:27' },
    ...Object.fromEntries(
      ['tlsCacert', 'tlsCacrl', 'tlsCert', 'tlsKey', 'tlsNoCnVerify'].map((name) => [
        name,
        { tls: true, pageServer: '10.0.0.1:27' },
      ]),
    ),
    freezer: { freezeCgroup: '/sys/fs/cgroup/freezer/x' },
  };

  test.each(calls)('every option of %s is taken', (call) => {
    for (const row of optionsOf(call)) {
      // Needs an open descriptor; below.
      if (row.name === 'statusFd') continue;
      const values = row.type.startsWith('enum') ? (row.values ?? []) : [undefined];
      for (const word of values) {
        let given =
          goodByName[`${call} ${row.name}`] ?? goodByName[row.name] ?? good[row.type] ?? word;
        if (row.type === 'enum[]') given = [word];
        const others = Object.entries(company[row.name] ?? {}).filter(([name]) =>
          optionsOf(call).some((other) => other.name === name),
        );
        const options = { ...needed[call], ...Object.fromEntries(others), [row.name]: given };
        expect(validateOptions(call, options), row.name).toHaveProperty(row.name);
      }
    }
  });

  test('paths are made absolute when they are given, the parent stays relative', () => {
    const options = {
      imagePath: 'a',
      workPath: '../w',
      parentPath: '../p',
      irmapPaths: ['i', '/j'],
    };
    expect(validateOptions('dump', options)).toMatchObject({
      imagePath: resolve('a'),
      workPath: resolve('../w'),
      parentPath: '../p',
      irmapPaths: [resolve('i'), '/j'],
    });
  });

  test.each([
    ['10.0.0.1:27', { address: '10.0.0.1', port: 27 }],
    ['[::1]:65535', { address: '::1', port: 65535 }],
    ['[fe80::1%eth0]:1', { address: 'fe80::1%eth0', port: 1 }],
    ['store-1.example:27', { address: 'store-1.example', port: 27 }],
    [
      { address: '::1', port: 27 },
      { address: '::1', port: 27 },
    ],
  ])('pageServer %j', (pageServer, expected) => {
    expect(validateOptions('dump', { pageServer })).toMatchObject({ pageServer: expected });
  });

  test.each([
    ['O_WRONLY', constants.O_WRONLY],
    ['O_RDWR', constants.O_RDWR],
    ['O_WRONLY with others', constants.O_WRONLY | constants.O_APPEND | constants.O_NONBLOCK],
  ])('a statusFd of %s', (_name, flags) => {
    const statusFd = open('/dev/null', flags);
    const options = { statusFd, lazyPages: true, pageServer: '[::1]:27' };
    expect(validateOptions('checkpoint', options)).toMatchObject({ statusFd });
  });

  test('inherited options and those behind getters count like others', () => {
    class Defaults {
      get leaveRunning(): boolean {
        return true;
      }
    }
    expect(validateOptions('dump', new Defaults())).toMatchObject({ leaveRunning: true });
    const inherited = Object.create({ tcpEstablished: true }) as object;
    expect(validateOptions('dump', inherited)).toMatchObject({ tcpEstablished: true });
  });
});

describe('what is used is what was checked', () => {
  test('each property is read once', () => {
    const reads = new Map<string, number>();
    const options = new Proxy(
      { logFile: 'good.log', external: ['mnt[/a]:b'] } as Record<string, unknown>,
      {
        get(target, name: string) {
          reads.set(name, (reads.get(name) ?? 0) + 1);
          return reads.get(name) === 1 ? target[name] : '../bad';
        },
      },
    );
    expect(validateOptions('dump', options)).toMatchObject({ logFile: 'good.log' });
    expect(Math.max(...reads.values())).toBe(1);
  });

  test('lists and objects are copied', () => {
    const external = ['mnt[/a]:b'];
    const root = { path: '/a' };
    const pageServer = { address: '10.0.0.1', port: 27 };
    const valid = validateOptions('dump', { external, cgRoots: [root], pageServer });
    external.push('bad');
    root.path = 'bad';
    pageServer.address = 'bad address';
    expect(valid).toMatchObject({
      external: ['mnt[/a]:b'],
      cgRoots: [{ path: '/a' }],
      pageServer: { address: '10.0.0.1' },
    });
  });

  test('a hole in a list is no string', () => {
    // biome-ignore lint/suspicious/noSparseArray: the hole is what is tested
    expect(refusal('dump', { external: ['mnt[/a]:b', , 'mnt[/c]:d'] }).message).toContain(
      'external[1]',
    );
  });
});

describe('wrong JavaScript types', () => {
  const everything: unknown[] = [
    null,
    true,
    7,
    7n,
    'text',
    Symbol('s'),
    () => {},
    [],
    {},
    new Date(),
    Number.NaN,
  ];
  const isRecord = (candidate: unknown): boolean =>
    typeof candidate === 'object' && candidate !== null && !Array.isArray(candidate);
  const fits: Record<string, (candidate: unknown) => boolean> = {
    boolean: (candidate) => typeof candidate === 'boolean',
    integer: (candidate) => typeof candidate === 'number',
    path: (candidate) => typeof candidate === 'string',
    relativePath: (candidate) => typeof candidate === 'string',
    fileName: (candidate) => typeof candidate === 'string',
    enum: (candidate) => typeof candidate === 'string',
    'enum[]': Array.isArray,
    'string[]': Array.isArray,
    'path[]': Array.isArray,
    string: (candidate) => typeof candidate === 'string',
    'cgroupRoot[]': Array.isArray,
    'joinedNamespace[]': Array.isArray,
    'inheritedFd[]': Array.isArray,
    address: (candidate) => typeof candidate === 'string',
    ip: (candidate) => typeof candidate === 'string',
    host: (candidate) => typeof candidate === 'string',
    signal: () => false,
    criu: () => false,
    hooks: isRecord,
    restoreHooks: isRecord,
  };

  test.each(calls.flatMap((call) => optionsOf(call).map((row) => [call, row.name, row] as const)))(
    '%s %s',
    (call, name, row) => {
      for (const candidate of everything) {
        if (fits[row.type]?.(candidate)) continue;
        const error = refusal(call, { ...needed[call], [name]: candidate });
        expect(error).toBeInstanceOf(TypeError);
        expect(error.code).toBe(type);
        expect(error.message).toContain(name);
        expect(error.message).not.toContain('\n');
      }
    },
  );

  test('every type of the table is covered here', () => {
    expect(new Set(optionTable.map((row) => row.type))).toEqual(new Set(Object.keys(fits)));
  });

  test.each([
    ['external', [1]],
    ['emptyNs', [null]],
    ['irmapPaths', [{}]],
    ['cgRoots', ['/a']],
    ['cgRoots', [null]],
    ['cgRoots', [{}]],
    ['cgRoots', [{ path: 1 }]],
    ['cgRoots', [{ path: '/a', controller: 1 }]],
  ])('an element of %s: %j', (name, list) => {
    const error = refusal('dump', { [name]: list });
    expect(error.code).toBe(type);
    expect(error.message).toContain(`${name}[0]`);
  });

  test.each([
    ['joinNs', ['net']],
    ['joinNs', [{}]],
    ['joinNs', [{ type: 1, path: '/a' }]],
    ['joinNs', [{ type: 'net' }]],
    ['inheritFd', [5]],
    ['inheritFd', [{}]],
    ['inheritFd', [{ fd: '1', resource: 'pipe:[1]' }]],
    ['inheritFd', [{ fd: 1 }]],
  ])('an element of %s of a restore: %j', (name, list) => {
    const error = refusal('restore', { [name]: list });
    expect(error.code).toBe(type);
    expect(error.message).toContain(`${name}[0]`);
  });

  test.each([[null], [7], ['imagePath'], [[]], [true], [() => {}]])('options: %j', (options) => {
    expect(refusal('dump', options)).toMatchObject({
      code: type,
      message: expect.stringContaining('options') as string,
    });
  });
});

describe('values that cannot be used', () => {
  test.each<[Record<string, unknown>, (string | RegExp)[]]>([
    [{ pageServer: '10.0.0.1' }, ["'10.0.0.1'", 'no port']],
    [{ pageServer: '10.0.0.1:' }, ['no port']],
    [{ pageServer: '10.0.0.1:0' }, [/1 to 65535/, ':0']],
    [{ pageServer: '10.0.0.1:70000' }, [/1 to 65535/, ':70000']],
    [{ pageServer: '10.0.0.1:text' }, ['not a number']],
    [{ pageServer: '10.0.0.1:1e3' }, ['not a number']],
    [{ pageServer: '10.0.0.1:-1' }, ['not a number']],
    [{ pageServer: '10.0.0.1: 27' }, ['not a number']],
    [{ pageServer: '::1:27' }, ['brackets', "'::1:27'"]],
    [{ pageServer: '::1' }, ['brackets']],
    [{ pageServer: 'fe80::1' }, ['brackets']],
    [{ pageServer: '[::1]' }, ['no port']],
    [{ pageServer: '[::1]27' }, ['no port']],
    [{ pageServer: '[10.0.0.1]:27' }, ['brackets']],
    [{ pageServer: ':27' }, ['empty']],
    [{ pageServer: '[]:27' }, ['brackets']],
    [{ pageServer: '' }, ['no port']],
    [{ pageServer: '10.0.0.1 x:27' }, ['host name']],
    [{ pageServer: '10.0.0.1\n:27' }, ['host name']],
    [{ pageServer: '10.0.0:27' }, ['host name']],
    [{ pageServer: '300.0.0.1:27' }, ['host name']],
    [{ pageServer: { address: '10.0.0.1', port: 0 } }, ['pageServer']],
    [{ pageServer: { address: '10.0.0.1', port: 1.5 } }, ['pageServer']],
    [{ pageServer: { address: '', port: 27 } }, ['empty']],
    [{ pageServer: { address: '10.0.0.1', port: 27, host: 'x' } }, ['host']],
    [{ manageCgroupsMode: 'hard' }, ["'hard'", "'soft', 'full', 'strict' or 'ignore'"]],
    [{ manageCgroupsMode: '' }, ['manageCgroupsMode']],
    [{ manageCgroupsMode: 'Soft' }, ['did you mean soft?']],
    [{ emptyNs: ['network', 'pid'] }, ['emptyNs[1]', "'pid'", "'network'"]],
    [{ networkLock: 'iptable' }, ['did you mean iptables?']],
    [{ freezer: 'fridge' }, ['freezer']],
    [{ parentPath: '/abs' }, ['absolute', "'/abs'"]],
    [{ parentPath: '' }, ['empty']],
    [{ imagePath: '' }, ['imagePath', 'empty']],
    [{ imagePath: 'a\0b' }, ['imagePath', 'NUL']],
    [{ workPath: 'a\nb' }, ['workPath', 'newline']],
    [{ configFile: 'a\nfile-locks' }, ['configFile', 'newline']],
    [{ external: ['mnt[/a\n]:b'] }, ['external[0]', 'newline']],
    [{ external: ['mnt[]', '/a:b'] }, ['external[1]']],
    [{ external: [''] }, ['external[0]']],
    [{ enableFs: ['a b'] }, ['enableFs[0]']],
    [{ skipMnt: [''] }, ['skipMnt[0]']],
    [{ cgRoots: [{ path: 'relative' }] }, ['cgRoots[0].path']],
    [{ cgRoots: [{ path: '/a', controller: '' }] }, ['cgRoots[0].controller']],
    [{ cgRoots: [{ path: '/a', ctrl: 'cpu' }] }, ['cgRoots[0]', 'ctrl']],
    [{ logFile: 'a/b' }, ['logFile']],
    [{ logFile: '/abs' }, ['logFile']],
    [{ logFile: '..' }, ['logFile']],
    [{ logFile: '.' }, ['logFile']],
    [{ logLevel: 5 }, ['logLevel', 'from 0 to 4']],
    [{ logLevel: -1 }, ['logLevel']],
    [{ logLevel: 1.5 }, ['logLevel']],
    [{ timeoutMs: 0 }, ['timeoutMs', 'milliseconds']],
    [{ timeoutMs: Number.POSITIVE_INFINITY }, ['timeoutMs']],
    [{ timeoutMs: 2 ** 31 }, ['timeoutMs']],
    [{ ghostLimit: 2 ** 32 }, ['ghostLimit', 'bytes']],
    [{ ghostLimit: Number.NaN }, ['ghostLimit']],
    [{ statusFd: -1 }, ['statusFd', '-1']],
    [{ statusFd: 1.5 }, ['statusFd']],
    [{ statusFd: 2 ** 31 }, ['statusFd']],
  ])('%j', (options, says) => {
    isRefused('dump', options, says);
  });

  test.each<[Record<string, unknown>, (string | RegExp)[]]>([
    [{ joinNs: [{ type: 'pid', path: '/a' }] }, ['joinNs[0].type', "'net', 'uts'", "'pid'"]],
    [{ joinNs: [{ type: 'net', path: 'relative' }] }, ['joinNs[0].path', 'no /']],
    [{ joinNs: [{ type: 'net', path: '/a', pid: 1 }] }, ['joinNs[0]', 'pid']],
    [{ inheritFd: [{ fd: -1, resource: 'a' }] }, ['inheritFd[0].fd', '-1']],
    [{ inheritFd: [{ fd: 1.5, resource: 'a' }] }, ['inheritFd[0].fd']],
    [{ inheritFd: [{ fd: 99_999, resource: 'a' }] }, ['inheritFd[0].fd', 'it is not open']],
    [{ inheritFd: [{ fd: 1, resource: '' }] }, ['inheritFd[0].resource', 'empty']],
    [{ inheritFd: [{ fd: 1, resource: 'a', key: 'b' }] }, ['inheritFd[0]', 'key']],
    [{ lsmProfile: 'name' }, ['lsmProfile', 'apparmor:name']],
    [{ lsmProfile: 'apparmor:' }, ['lsmProfile']],
    [{ lsmMountContext: '' }, ['lsmMountContext', 'empty']],
    [{ manageCgroupsMode: 'hard' }, ["'soft', 'full', 'strict' or 'ignore'"]],
    [{ logFile: 'a/b' }, ['logFile']],
    [{ workPath: '' }, ['workPath', 'empty']],
    [{ timeoutMs: 0 }, ['timeoutMs']],
    [{ hooks: { postRestored() {} } }, ['did you mean postRestore?']],
    [{ hooks: { postDump() {} } }, ['hooks.postDump']],
    [{ leaveRunning: true }, ['it is an option of checkpoint and dump']],
    [{ imagePath: '/a' }, ['it is an option of checkpoint']],
    [{ restoreSiblings: true }, ['did you mean restoreSibling?']],
    [{ tcpEstablished: true, tcpClose: true }, ['exclude each other']],
  ])('of a restore: %j', (options, says) => {
    isRefused('restore', options, says);
  });

  function isRefused(call: Call, options: object, says: readonly (string | RegExp)[]): void {
    const error = refusal(call, options);
    expect(error).toBeInstanceOf(RangeError);
    expect(error.code).toBe(value);
    expect(error.message).not.toContain('\n');
    for (const part of [Object.keys(options)[0] ?? '', ...says]) {
      expect(error.message).toMatch(part);
    }
  }
});

describe('unknown options', () => {
  test.each<[Call, string, string]>([
    ['checkpoint', 'leaveRuning', 'did you mean leaveRunning?'],
    ['checkpoint', 'tcp-established', 'did you mean tcpEstablished?'],
    ['checkpoint', 'image_path', 'did you mean imagePath?'],
    ['dump', 'timeout', 'did you mean timeoutMs?'],
    ['dump', 'manageCgroups', 'did you mean manageCgroupsMode?'],
    ['dump', 'preDump', 'it is an option of checkpoint'],
    ['dump', 'bundle', 'it is an option of restoreContainer'],
    ['preDump', 'lazyPages', 'it is an option of checkpoint and dump'],
    ['dump', 'preDumpMode', 'it is an option of checkpoint and preDump'],
  ])('%s %s: %s', (call, name, hint) => {
    const error = refusal(call, { [name]: true });
    expect(error).toMatchObject({ code: value });
    expect(error.message).toContain(`'${name}'`);
    expect(error.message).toContain(hint);
  });

  test('nothing is suggested for what resembles nothing', () => {
    expect(refusal('dump', { zzzzzzzz: 1 }).message).not.toContain('did you mean');
    expect(refusal('dump', { ['x'.repeat(100_000)]: 1 }).message.length).toBeLessThan(400);
  });

  test('inherited ones are refused too', () => {
    expect(refusal('dump', Object.create({ leaveRuning: true })).code).toBe(value);
  });

  test('names of every object are none', () => {
    expect(refusal('dump', { constructor: 1 }).code).toBe(value);
    expect(refusal('dump', JSON.parse('{"__proto__": 1}')).code).toBe(value);
  });
});

describe('addresses of what serves', () => {
  test.each<[Call, Record<string, unknown>, string, string]>([
    ['startPageServer', {}, type, 'an IP address for address but received undefined'],
    ['startPageServer', { address: 'a-host' }, value, "'a-host'"],
    ['startPageServer', { address: '10.0.0' }, value, "'10.0.0'"],
    ['startPageServer', { address: '' }, value, 'the address is empty'],
    ['startPageServer', { address: '::1', port: -1 }, value, 'from 0 to 65535 for port'],
    ['startLazyPages', {}, type, 'for address but received undefined'],
    ['startLazyPages', { address: 'a host', port: 27 }, value, "'a host'"],
    ['startLazyPages', { address: 'a-host' }, type, 'for port but received undefined'],
    ['startLazyPages', { address: 'a-host', port: 0 }, value, 'from 1 to 65535 for port'],
  ])('%s %j', (call, options, code, says) => {
    const error = refusal(call, options);
    expect(error.code).toBe(code);
    expect(error.message).toContain(says);
  });
});

describe('contradictions', () => {
  const server = '10.0.0.1:27';
  test.each<[Call, Record<string, unknown>, string[]]>([
    ['dump', { leaveRunning: true, leaveStopped: true }, ['leaveRunning', 'leaveStopped']],
    ['dump', { tcpEstablished: true, tcpClose: true }, ['tcpEstablished', 'tcpClose']],
    ['checkpoint', { preDump: true, leaveStopped: true }, ['preDump', 'leaveStopped']],
    [
      'checkpoint',
      { preDump: true, lazyPages: true, pageServer: server },
      ['preDump', 'lazyPages'],
    ],
    ['checkpoint', { preDumpMode: 'read' }, ["'read'", 'preDump']],
    ['dump', { parentPath: '../p', trackMem: false }, ['parentPath', 'trackMem']],
    ['dump', { statusFd: 1 }, ['statusFd 1', 'lazyPages']],
    ['dump', { statusFd: 1, lazyPages: false }, ['statusFd 1', 'lazyPages']],
    ['dump', { lazyPages: true }, ['lazyPages', 'pageServer']],
    ['dump', { tls: true }, ['tls', 'pageServer']],
    ['dump', { pageServer: server, tlsCert: '/cert.pem' }, ['tlsCert', 'tls']],
    ['dump', { pageServer: server, tlsNoCnVerify: true }, ['tlsNoCnVerify', 'tls']],
    ['startPageServer', { address: '10.0.0.1', tlsKey: '/key.pem' }, ['tlsKey', 'tls']],
    ['dump', { lazyPages: true, pageServer: 'a-host:27' }, ["'a-host'", 'IP address']],
    ['dump', { lazyPages: true, pageServer: '[fe80::1%lo]:27' }, ['fe80::1%lo', 'IP address']],
    ['dump', { freezer: 'cgroup' }, ['freezer', 'freezeCgroup']],
    ['preDump', { freezer: 'cgroup' }, ['freezer', 'freezeCgroup']],
  ])('%s %j', (call, options, says) => {
    const error = refusal(call, options);
    expect(error).toBeInstanceOf(RangeError);
    expect(error.code).toBe(value);
    for (const part of says) expect(error.message).toMatch(part);
  });

  test.each<[Call, Record<string, unknown>]>([
    ['checkpoint', { preDump: true, leaveRunning: true }],
    ['checkpoint', { preDump: true, preDumpMode: 'read' }],
    ['checkpoint', { freezer: 'cgroup' }],
    ['dump', { leaveRunning: false, leaveStopped: true }],
    ['dump', { freezer: 'ptrace', freezeCgroup: '/sys/fs/cgroup/x' }],
    ['dump', { lazyPages: true, pageServer: server, leaveRunning: true }],
    ['dump', { pageServer: server, tls: true, tlsCert: '/cert.pem', tlsNoCnVerify: true }],
    ['dump', { tls: false, tlsNoCnVerify: false }],
    ['startPageServer', { address: '::1', port: 0, tls: true }],
    ['dump', { tcpEstablished: true, networkLock: 'skip' }],
  ])('%s %j is none', (call, options) => {
    expect(validateOptions(call, options)).toMatchObject(options['pageServer'] ? {} : options);
  });
});

describe('the status descriptor', () => {
  test.each([
    ['open for reading only', () => open('/dev/null', 'r'), 'reading only'],
    ['of a directory', () => open('/', 'r'), 'reading only'],
    ['opened with O_PATH', () => open('/dev/null', 0o10000000), 'reading only'],
    ['closed', () => 9999, 'not open'],
    ['larger than any', () => 0x7fff_ffff, 'not open'],
  ])('%s is refused', (_what, make, reason) => {
    const fd = make();
    expect(() => checkStatusFd(fd)).toThrowError(
      expect.objectContaining({
        code: value,
        message: expect.stringMatching(new RegExp(`statusFd .*${fd}.*${reason}`)) as string,
      }) as Error,
    );
  });

  test('nothing is written to it by the check', async () => {
    const path = join(await scope.directory(), 'status');
    const fd = open(path, 'w+');
    checkStatusFd(fd);
    expect(readFileSync(path)).toHaveLength(0);
  });
});
