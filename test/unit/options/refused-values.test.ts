import { describe, expect, test } from 'vitest';
import type { Call } from '../../../lib/options/schema.js';
import { validateOptions } from '../../../lib/options/validate.js';
import { refusal } from '../../helpers/options.js';

const type = 'ERR_INVALID_ARG_TYPE';
const value = 'ERR_INVALID_ARG_VALUE';

describe('validateOptions refuses the value', () => {
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
    [{ env: { 'A=B': 'c' } }, ['env', 'names', 'A=B']],
    [{ env: { '': 'c' } }, ['env', 'names']],
    [{ env: { A: 'b\0c' } }, ['env.A', 'NUL', '3 characters']],
    [{ argv: ['a', '\0'] }, ['argv[1]', 'NUL']],
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
    [{ pidNamespace: 'own' }, ["'new'", "'own'"]],
    [{ pidNamespace: 'new', restoreSibling: true }, ['restoreSibling', 'exclude each other']],
    [{ netNamespace: 'new' }, ['needs', 'pidNamespace']],
    [{ hostname: 'a' }, ['needs', 'pidNamespace']],
    [{ endsWithParent: true }, ['needs', 'pidNamespace']],
    [{ stdio: 'pipe' }, ['needs', 'pidNamespace']],
    [{ cgroup: '/a' }, ['needs', 'pidNamespace']],
    [{ cgroup: 'a', pidNamespace: 'new' }, ["'a'", 'absolute']],
    [{ cgroup: '/', pidNamespace: 'new' }, ["'/'"]],
    [{ cgroup: '/a/../..', pidNamespace: 'new' }, ["'/a/../..'"]],
    [{ cgroup: { path: '/a', memory: 1 }, pidNamespace: 'new' }, ['"memory"']],
    [{ cgroup: { path: '/a', memoryBytes: 1 }, pidNamespace: 'new' }, ['memoryBytes', '4096']],
    [{ cgroup: { path: '/a', cpus: 0 }, pidNamespace: 'new' }, ['cgroup.cpus', '0.01']],
    [{ cgroup: { path: '/a', pids: 1.5 }, pidNamespace: 'new' }, ['cgroup.pids', '1.5']],
    [
      { cgroup: '/a', manageCgroupsMode: 'soft', pidNamespace: 'new' },
      ['manageCgroupsMode', 'exclude each other'],
    ],
    [{ stdio: 'pipes', pidNamespace: 'new' }, ["'pipe'", "'pipes'"]],
    [{ stdio: ['pipe', 'out'], pidNamespace: 'new' }, ['stdio[1]', "'out'"]],
    [{ stdio: [null, 100_000], pidNamespace: 'new' }, ['stdio[1]', '100000', 'not open']],
    [{ stdio: [-1], pidNamespace: 'new' }, ['stdio[0]', '-1']],
    [{ stdio: [null, null, null, 'pipe'], pidNamespace: 'new' }, ['at most three']],
    [{ netNamespace: 'old', pidNamespace: 'new' }, ["'new'", "'old'"]],
    [{ hostname: 'a b', pidNamespace: 'new' }, ["'a b'"]],
    [{ hostname: '-a', pidNamespace: 'new' }, ["'-a'"]],
    [{ hostname: 'a'.repeat(65), pidNamespace: 'new' }, ['64']],
    [{ pidNamespace: 'new', unit: 'web' }, ['unit', 'exclude each other']],
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

describe('validateOptions refuses an address to serve on', () => {
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

describe('validateOptions on contradictions', () => {
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
    [
      'checkpoint',
      { export: 'a', format: 'containerd', compression: 'gzip' },
      ["format: 'containerd'", 'compression'],
    ],
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
  ])('refuses %s %j', (call, options, says) => {
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
  ])('takes %s %j, which is none', (call, options) => {
    expect(validateOptions(call, options)).toMatchObject(options['pageServer'] ? {} : options);
  });
});
