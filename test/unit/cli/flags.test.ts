import { closeSync, openSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { optionsOf } from '../../../lib/options/calls.js';
import { libcriu, optionsFor } from '../../helpers/command.js';
import { useScope } from '../../helpers/scope.js';

const scope = useScope();

describe('flags of checkpoint', () => {
  const reuse = { existing: 'reuse' };

  test('are none by default, and existing images are re-used as runc does', async () => {
    expect(await optionsFor('checkpoint', 'web')).toEqual(reuse);
  });

  test("set all options of runc's", async () => {
    const status = openSync('/dev/null', 'w');
    scope.defer(() => closeSync(status));
    const options = await optionsFor(
      'checkpoint',
      ...['--image-path', '/i', '--work-path=/w', '--parent-path', '../p', '--leave-running'],
      ...['--tcp-established', '--tcp-skip-in-flight', '--link-remap', '--ext-unix-sk'],
      ...['--shell-job', '--lazy-pages', '--status-fd', String(status)],
      ...['--page-server', '[::1]:27', '--file-locks', '--manage-cgroups-mode=strict'],
      ...['--empty-ns', 'network', '--auto-dedup', 'web'],
    );
    expect(options).toEqual({
      ...reuse,
      imagePath: '/i',
      workPath: '/w',
      parentPath: '../p',
      leaveRunning: true,
      tcpEstablished: true,
      tcpSkipInFlight: true,
      linkRemap: true,
      extUnixSk: true,
      shellJob: true,
      lazyPages: true,
      statusFd: status,
      pageServer: '[::1]:27',
      fileLocks: true,
      manageCgroupsMode: 'strict',
      emptyNs: ['network'],
      autoDedup: true,
    });
    expect(await optionsFor('checkpoint', '--pre-dump', 'web')).toEqual({
      ...reuse,
      preDump: true,
    });
  });

  test('set options beyond those of runc', async () => {
    const options = await optionsFor(
      'checkpoint',
      ...['--network-lock', 'nftables', '--timeout-ms', '5000', '--ghost-limit', '2M'],
      ...['--external', 'mnt[/a]:a', '--external=dev[8/1]:b', '--freezer', 'ptrace'],
      ...['--cgroup-root', '/all', '--cgroup-root', 'cpu:/one', '--cgroup-root', 'name=systemd:/s'],
      ...['--criu-log-level', '2', '--criu-log-file', 'my.log', '--existing', 'replace', 'web'],
    );
    expect(options).toEqual({
      networkLock: 'nftables',
      timeoutMs: 5000,
      ghostLimit: 2 * 1024 * 1024,
      external: ['mnt[/a]:a', 'dev[8/1]:b'],
      freezer: 'ptrace',
      cgRoots: [
        { path: '/all' },
        { controller: 'cpu', path: '/one' },
        { controller: 'name=systemd', path: '/s' },
      ],
      logLevel: 2,
      logFile: 'my.log',
      existing: 'replace',
    });
  });

  test('can be false for every boolean', async () => {
    const needsCompany = ['lazyPages', 'tls', 'tlsNoCnVerify', 'ignoreRootfs', 'ignoreVolumes'];
    for (const { name, type, flag } of optionsOf('checkpoint')) {
      if (type !== 'boolean' || needsCompany.includes(name)) continue;
      expect(await optionsFor('checkpoint', `--${flag}`, 'web')).toEqual({
        ...reuse,
        [name]: true,
      });
      for (const word of ['false', 'F', '0']) {
        const options = await optionsFor('checkpoint', `-${flag}=${word}`, 'web');
        expect(options).toEqual({ ...reuse, [name]: false });
      }
    }
  });

  test('may have one dash, stand behind the id, and be given twice, as runc reads them', async () => {
    const runcs = ['checkpoint', '-leave-running', '-image-path=/a', 'web', '--image-path', '/b'];
    expect(await optionsFor(...runcs)).toEqual({ ...reuse, leaveRunning: true, imagePath: '/b' });
  });

  test('are none when they are empty, as scripts pass unset variables', async () => {
    const empty = [
      '--work-path',
      '',
      '--parent-path=',
      '--page-server',
      '',
      '--manage-cgroups-mode=',
    ];
    expect(await optionsFor('checkpoint', ...empty, 'web')).toEqual(reuse);
  });

  test('are ended by --', async () => {
    const { called } = await libcriu(['checkpoint', '--leave-running', '--', '-leave-running']);
    expect(called).toEqual({ id: '-leave-running', options: { ...reuse, leaveRunning: true } });
  });

  test('may have a value that looks like a flag when = binds it', async () => {
    const options = await optionsFor('checkpoint', '--image-path=--leave-running', 'web');
    expect(options).toEqual({ ...reuse, imagePath: '--leave-running' });
  });
});
