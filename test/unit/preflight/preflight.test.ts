import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { Criu } from '../../../lib/criu/criu.js';
import { hiddenIn, parseMountinfo } from '../../../lib/linux/mountinfo.js';
import { splitDevice } from '../../../lib/linux/process-tree.js';
import { Budget, forEach, mountIdOf, Procfs } from '../../../lib/linux/procfs.js';
import { parseInet, parseUnix, unixPeers } from '../../../lib/linux/sockets.js';
import { type Allowed, allowedBy } from '../../../lib/preflight/allowed.js';
import { parseMaps } from '../../../lib/preflight/checks/mappings.js';
import { mountProblems } from '../../../lib/preflight/checks/mounts.js';
import { isTerminal } from '../../../lib/preflight/checks/terminals.js';
import { type Finding, findingCodes, sortFindings } from '../../../lib/preflight/finding.js';
import { inspect } from '../../../lib/preflight/inspect.js';

const made: string[] = [];
afterEach(() => {
  for (const path of made.splice(0)) rmSync(path, { recursive: true, force: true });
});

function directory(): string {
  const path = mkdtempSync(join(tmpdir(), 'libcriu-preflight-'));
  made.push(path);
  return path;
}

describe('mountinfo', () => {
  test('is read with its peer groups, escapes and subtypes', () => {
    const text = [
      '21 28 0:20 / /proc rw,relatime shared:12 - proc proc rw',
      '33 21 0:31 /a\\040b /x\\134y rw master:7 shared:8 - fuse.sshfs host:/\\040 rw',
      '40 28 8:1 /gone//deleted /z ro - ext4 /dev/sda1 ro,errors=continue',
      'rubbish',
    ].join('\n');
    expect(parseMountinfo(text)).toMatchObject([
      { id: 21, parent: 28, dev: '0:20', root: '/', mountpoint: '/proc', shared: 12, master: 0 },
      { root: '/a b', mountpoint: '/x\\y', shared: 8, master: 7, type: 'fuse', source: 'host:/ ' },
      { root: '/gone', mountpoint: '/z', type: 'ext4', source: '/dev/sda1' },
    ]);
  });

  test('a mount is hidden by one on its point, beside it, and beside an ancestor', () => {
    const mounts = parseMountinfo(
      [
        '1 0 8:1 / / rw - ext4 a rw',
        '2 1 0:2 / /a rw - tmpfs b rw',
        '3 2 0:3 / /a rw - tmpfs c rw',
        '4 1 0:4 / /b/c rw - tmpfs d rw',
        '5 4 0:5 / /b/c/d rw - tmpfs e rw',
        '6 1 0:6 / /b rw - tmpfs f rw',
        '7 1 0:7 / /bc rw - tmpfs g rw',
      ].join('\n'),
    );
    expect(mounts.filter(hiddenIn(mounts)).map(({ id }) => id)).toEqual([2, 4, 5]);
  });
});

describe('mounts that CRIU refuses', () => {
  const host = parseMountinfo(
    ['1 0 8:1 / / rw - ext4 a rw', '2 1 0:9 / /src rw shared:5 - tmpfs t rw'].join('\n'),
  );
  async function problems(lines: string[], allowed: Partial<Allowed> = {}): Promise<string[]> {
    const root = '10 9 8:1 /rootfs / rw - ext4 a rw';
    const mounts = parseMountinfo([root, ...lines].join('\n'));
    const all = { ...(await allowedBy({})), ...allowed };
    const namespace = { inode: '7', pid: 1, mounts };
    return mountProblems([namespace], '7', host, all, { ownsCgroups: false }).map(
      ({ kind, mount }) => `${kind} ${mount.mountpoint}`,
    );
  }

  test('are those of no known file system and of no root', async () => {
    expect(
      await problems([
        '11 10 0:20 / /proc rw - proc proc rw',
        '12 10 8:1 /rootfs/inside /inside rw - ext4 a rw',
        '13 10 8:1 /elsewhere /bind rw - ext4 a rw',
        '14 10 0:30 / /ram rw - ramfs none rw',
        '15 10 0:31 / /fuse rw - fuse.x x rw',
        '16 10 0:9 / /slave rw master:5 - tmpfs t rw',
      ]),
    ).toEqual(['bind /bind', 'file-system /ram', 'fuse /fuse', 'master /slave']);
  });

  test('are none when they are external, enabled or left out', async () => {
    const lines = [
      '13 10 8:1 /elsewhere /bind rw - ext4 a rw',
      '14 10 0:30 / /ram rw - ramfs none rw',
      '16 10 0:9 / /slave rw master:5 - tmpfs t rw',
      '17 10 8:1 /elsewhere/below /same rw - ext4 a rw',
    ];
    const externalMounts = new Set(['/bind', '/slave']);
    const fileSystems = new Set(['ramfs']);
    expect(await problems(lines, { externalMounts, fileSystems })).toEqual([]);
    expect(await problems(lines, { externalMounts, skippedMounts: new Set(['/ram']) })).toEqual([]);
    const flags = new Set(['auto-ext-mnt'] as const);
    expect(await problems(lines, { flags, fileSystems })).toEqual(['master /slave']);
    const both = new Set(['auto-ext-mnt', 'enable-external-masters'] as const);
    expect(await problems(lines, { flags: both, fileSystems })).toEqual([]);
  });
});

describe('sockets', () => {
  const unix = (...lines: string[]) =>
    parseUnix(
      [
        'Num       RefCount Protocol Flags    Type St Inode Path',
        ...lines.map((line) => {
          const [references, type, state, inode, name] = line.split(' ');
          const path = name === undefined ? '' : ` ${name}`;
          return `000000001edd94cf: 0000000${references} 00000000 00000000 ${type} ${state} ${inode}${path}`;
        }),
      ].join('\n'),
    );
  const of = (sockets: ReturnType<typeof unix>, ...ours: string[]) => {
    const { outside, unclear } = unixPeers(sockets, new Set(ours));
    return [outside, unclear].map((list) => list.map(({ inode }) => inode));
  };

  test('addresses of both families are read', () => {
    const head = '  sl  local_address rem_address   st tx_queue rx_queue';
    const rest = '00:00000000 00000000     0        0 4711 1 0 100 0';
    const v4 = `   0: 0100007F:1F90 0200000A:0016 01 00000000:00000000 ${rest}`;
    expect(parseInet([head, v4].join('\n'), 'tcp')).toMatchObject([
      { inode: '4711', state: '01', name: '127.0.0.1:8080 - 10.0.0.2:22', waiting: 0 },
    ]);
    const loopback = '00000000000000000000000001000000';
    const v6 = `   0: ${loopback}:0050 ${'0'.repeat(32)}:0000 0A 00000000:00000003 ${rest}`;
    expect(parseInet([head, v6].join('\n'), 'tcp')).toMatchObject([
      { state: '0A', name: '[::1]:80', waiting: 3 },
    ]);
    const mapped = '0000000000000000FFFF00000100007F';
    const both = `   0: ${mapped}:0050 ${mapped}:0051 01 00000000:00000000 ${rest}`;
    expect(parseInet([head, both].join('\n'), 'tcp')).toMatchObject([
      { name: '127.0.0.1:80 - 127.0.0.1:81' },
    ]);
  });

  test('a socketpair is inside with both ends here, outside with one', () => {
    const sockets = unix('3 0001 03 100', '3 0001 03 101', '3 0001 03 200', '3 0001 03 201');
    expect(of(sockets, '100', '101')).toEqual([[], []]);
    expect(of(sockets, '100')).toEqual([['100'], []]);
    expect(of(sockets, '101', '201')).toEqual([['101', '201'], []]);
  });

  test('an end whose other end is closed is no connection', () => {
    expect(of(unix('2 0001 03 100', '3 0001 03 200', '3 0001 03 201'), '100')).toEqual([[], []]);
  });

  test('a client and a server are inside together, outside apart', () => {
    const sockets = unix('2 0001 01 50 /s', '3 0001 03 100', '3 0001 03 200 /s');
    expect(of(sockets, '50', '100', '200')).toEqual([[], []]);
    expect(of(sockets, '100')).toEqual([['100'], []]);
    expect(of(sockets, '50', '200')).toEqual([['200'], []]);
    const two = unix('3 0001 03 100', '3 0001 03 200 /s', '3 0001 03 300', '3 0001 03 400 /t');
    expect(of(two, '100', '200')).toEqual([[], ['100', '200']]);
  });

  test('clients with neighbouring inodes are not taken for a pair', () => {
    const sockets = unix('3 0001 03 100', '3 0001 03 101', '3 0001 03 7 /s', '3 0001 03 9 /s');
    expect(of(sockets, '100', '101')).toEqual([[], ['100', '101']]);
  });

  test('datagrams go to whom somebody is connected to', () => {
    expect(of(unix('2 0002 03 100', '3 0002 03 7 /log'), '100')).toEqual([['100'], []]);
    expect(of(unix('2 0002 03 100', '3 0002 03 7 /log'), '100', '7')).toEqual([[], []]);
    expect(of(unix('2 0002 03 100', '2 0002 01 7 /own', '3 0002 03 9 /log'), '100', '7')).toEqual([
      ['100'],
      [],
    ]);
    expect(of(unix('3 0002 03 100', '3 0002 03 101'), '100')).toEqual([['100'], []]);
  });
});

describe('what is allowed', () => {
  test('adds up from options, a runtime and its configuration file', async () => {
    const configFile = join(directory(), 'criu.conf');
    writeFileSync(
      configFile,
      [
        '# comment',
        'tcp-established',
        '  ghost-limit 3M   # more',
        'external "mnt[/a b]:a"',
        'enable-fs ramfs,hfs',
        'unknown-option 7',
      ].join('\n'),
    );
    const allowed = await allowedBy(
      { fileLocks: true, external: ['file[1b:2]', 'unix[3]:no', 'net[4]:key', 'mnt[]:m'] },
      {
        orphan_pts_master: true,
        ext_mnt: [['/data', '/data']],
        config_file: configFile,
      },
    );
    expect([...allowed.flags].sort()).toEqual([
      'auto-ext-mnt',
      'enable-external-masters',
      'file-locks',
      'orphan-pts-master',
      'tcp-established',
    ]);
    expect(allowed.ghostLimit).toBe(3 * 1024 * 1024);
    expect([...allowed.externalMounts].sort()).toEqual(['/a b', '/data']);
    expect([...allowed.fileSystems]).toEqual(['ramfs', 'hfs']);
    // A name behind it makes it another for CRIU, where none belongs.
    expect([...allowed.externals]).toEqual(['file[1b:2]', 'unix[3]:no', 'net[4]']);
  });
});

describe('a made /proc', () => {
  function madeProc(): Procfs {
    const root = directory();
    for (const path of ['self/ns', '7/ns', '7/fd', '7/fdinfo', '7/task/7', '7/net']) {
      mkdirSync(join(root, path), { recursive: true });
    }
    const status = [
      'Name:\tweb (x)',
      'State:\tS (sleeping)',
      'TracerPid:\t9',
      'NSpid:\t7',
      'NSsid:\t7',
    ];
    for (const path of ['7/status', '7/task/7/status']) {
      writeFileSync(join(root, path), `${status.join('\n')}\n`);
    }
    writeFileSync(join(root, '7/stat'), `7 (web) x) S 1 7 7 0 -1 0 ${'0 '.repeat(40)}`);
    writeFileSync(join(root, '7/task/7/children'), '');
    writeFileSync(join(root, 'self/status'), 'CapEff:\t000001ffffffffff\n');
    symlinkSync('anon_inode:[io_uring]', join(root, '7/fd/5'));
    writeFileSync(join(root, '7/fdinfo/5'), 'flags:\t02\n');
    // A descriptor that is closed between two looks.
    symlinkSync('anon_inode:[eventpoll]', join(root, '7/fd/6'));
    return new Procfs(root);
  }
  const criu = new Criu({ binary: '/nonexistent/criu' });

  test('is looked at through nothing but its files', async () => {
    const options = { imagePath: tmpdir() };
    const found = await inspect(
      { criu, pid: 7, preDump: false, options },
      new Budget(),
      madeProc(),
    );
    const important = found?.filter(({ code }) => code !== 'capability');
    expect(important).toMatchObject([
      { code: 'task-traced', pid: 7, subject: 'thread 7' },
      { code: 'io-uring', pid: 7, fd: 5 },
    ]);
  });

  test('has no such process', async () => {
    const request = { criu, pid: 8, preDump: false, options: {} };
    expect(await inspect(request, new Budget(), madeProc())).toBeUndefined();
  });
});

describe('small parts', () => {
  test('maps: each file once, by the range of its first mapping', () => {
    const text = [
      '00400000-00452000 r-xp 00000000 08:02 173521      /usr/bin/a b (deleted)',
      '00651000-00652000 r--p 00051000 08:02 173521      /usr/bin/a b (deleted)',
      '7f0000000000-7f0000001000 rw-p 00000000 00:00 0 ',
      '7f0000002000-7f0000003000 rw-s 00000000 00:0e 5   anon_inode:[io_uring]',
      'ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0  [vsyscall]',
    ].join('\n');
    expect(parseMaps(text)).toEqual([
      { range: '400000-452000', path: '/usr/bin/a b (deleted)' },
      { range: '7f0000002000-7f0000003000', path: 'anon_inode:[io_uring]' },
      { range: 'ffffffffff600000-ffffffffff601000', path: '[vsyscall]' },
    ]);
  });

  test('device numbers and terminals', () => {
    expect(splitDevice(0x8803n)).toEqual({ major: 136, minor: 3 });
    expect(splitDevice(0x100503n)).toEqual({ major: 5, minor: 259 });
    const terminals = ['5:0', '5:2', '4:1', '136:7', '128:0', '204:64'];
    const others = ['5:3', '4:64', '1:3', '10:200', '137:0'];
    const is = (text: string): boolean => {
      const [major = 0, minor = 0] = text.split(':').map(Number);
      return isTerminal({ major, minor });
    };
    expect(terminals.filter(is)).toEqual(terminals);
    expect(others.filter(is)).toEqual([]);
  });

  test('the mount of a descriptor', () => {
    expect(mountIdOf('pos:\t0\nflags:\t02\nmnt_id:\t27\nino:\t5\n')).toBe(27);
    expect(mountIdOf('')).toBeUndefined();
  });

  test('a spent budget ends the work', async () => {
    const seen: number[] = [];
    await forEach([1, 2, 3], new Budget(-1), async (item) => {
      seen.push(item);
    });
    expect(seen).toEqual([]);
  });

  test('the worst comes first', () => {
    const finding = (severity: Finding['severity'], pid: number, fd?: number): Finding => ({
      code: 'file-lock',
      severity,
      pid,
      ...(fd === undefined ? {} : { fd }),
      subject: '',
      message: '',
    });
    const [a, b, c, d] = [
      finding('fails', 9),
      finding('needs-option', 1, 3),
      finding('needs-option', 1, 12),
      finding('notice', 1),
    ];
    expect(sortFindings([d, c, b, a])).toEqual([a, b, c, d]);
  });

  test('codes are in order and distinct', () => {
    expect([...findingCodes]).toEqual([...new Set(findingCodes)].sort());
  });
});
