import { closeSync, constants, openSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { Criu } from '../../../lib/criu/criu.js';
import { optionsOf } from '../../../lib/options/calls.js';
import type { Call } from '../../../lib/options/schema.js';
import { validateOptions } from '../../../lib/options/validate.js';
import { calls, needed, refusal } from '../../helpers/options.js';
import { useScope } from '../../helpers/scope.js';

const scope = useScope();
const value = 'ERR_INVALID_ARG_VALUE';

function open(path: string, flags: number | string): number {
  const fd = openSync(path, flags);
  scope.defer(() => closeSync(fd));
  return fd;
}

describe('the defaults of validateOptions', () => {
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

describe('validateOptions takes', () => {
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
    limitedCgroup: { path: '/clones/1', memoryBytes: 2 ** 28, cpus: 0.5, pids: 100 },
    stdio: ['pipe', 'ignore', null],
    signal: new AbortController().signal,
    criu: new Criu(),
    file: 'a.tar',
    progressHandler: () => {},
    hooks: { postDump() {} },
    string: 'name',
    'joinedNamespace[]': [{ type: 'net', path: '/proc/1/ns/net' }],
    'inheritedFd[]': [{ fd: 2, resource: 'pipe:[4711]' }],
    data: { id: 1, list: [new Date(0), new Map([['a', 1n]])] },
    environment: { PATH: '/bin', EMPTY: '' },
    'argument[]': ['--port', ''],
  };
  const goodByName: Record<string, unknown> = {
    'restore hooks': { postRestore() {} },
    lsmProfile: 'apparmor:name',
    netNamespace: 'new',
    volumes: ['/srv/data:/data'],
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
    ...Object.fromEntries(
      ['netNamespace', 'hostname', 'stdio', 'cgroup', 'endsWithParent'].map((name) => [
        name,
        { pidNamespace: 'new' },
      ]),
    ),
    format: { export: 'a' },
    compression: { export: 'a' },
    ignoreRootfs: { export: 'a' },
    ignoreVolumes: { export: 'a' },
    ...Object.fromEntries(
      ['rootfs', 'volumes', 'joinNs', 'maxEntries', 'maxBytes', 'maxRatio'].map((name) => [
        name,
        { from: '/srv/web.tar' },
      ]),
    ),
  };

  test.each(calls)('every option of %s', (call) => {
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

  test('paths, which it makes absolute, while the parent stays relative', () => {
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

  test('inherited options and those behind getters like others', () => {
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

describe('validateOptions gives what it has checked', () => {
  test('as it reads each property once', () => {
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

  test('as it copies lists and objects', () => {
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

  test('as it takes a hole in a list for no string', () => {
    // biome-ignore lint/suspicious/noSparseArray: the hole is what is tested
    expect(refusal('dump', { external: ['mnt[/a]:b', , 'mnt[/c]:d'] }).message).toContain(
      'external[1]',
    );
  });
});

describe('validateOptions refuses an unknown option', () => {
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

  test('and suggests nothing for what resembles nothing', () => {
    expect(refusal('dump', { zzzzzzzz: 1 }).message).not.toContain('did you mean');
    expect(refusal('dump', { ['x'.repeat(100_000)]: 1 }).message.length).toBeLessThan(400);
  });

  test('that is inherited', () => {
    expect(refusal('dump', Object.create({ leaveRuning: true })).code).toBe(value);
  });

  test('whose name every object has', () => {
    expect(refusal('dump', { constructor: 1 }).code).toBe(value);
    expect(refusal('dump', JSON.parse('{"__proto__": 1}')).code).toBe(value);
  });
});
