import { readdirSync, readlinkSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { refusalOf } from '../../helpers/command.js';

describe('the command refuses in one line', () => {
  const server = ['--lazy-pages', '--page-server', '10.0.0.1:27'];
  test.each<[string[], string[]]>([
    [['checkpoint'], ['container id', 'received 0']],
    [
      ['checkpoint', 'a', 'b'],
      ['container id', "received 2: 'a', 'b'"],
    ],
    [
      ['chekpoint', 'web'],
      ["'chekpoint'", 'did you mean checkpoint?'],
    ],
    [['frobnicate'], ["'frobnicate'"]],
    [['help', 'frobnicate'], ["'frobnicate'"]],
    [
      ['--rot', '/x', 'checkpoint', 'web'],
      ["'--rot'", 'did you mean --root?'],
    ],
    [
      ['checkpoint', '--leave-runing', 'web'],
      ["'--leave-runing'", 'did you mean --leave-running?'],
    ],
    [
      ['checkpoint', '--leaveRunning=true', 'web'],
      ["'--leaveRunning'", '--leave-running?'],
    ],
    [['checkpoint', '-xyz', 'web'], ["'-xyz'"]],
    [['checkpoint', '-x', 'web'], ["'-x'"]],
    [
      ['checkpoint', '--root', '/x', 'web'],
      ['--root', 'before the command'],
    ],
    [
      ['checkpoint', '-debug', 'web'],
      ['-debug', 'before the command'],
    ],
    [
      ['checkpoint', '--leave-running=maybe', 'web'],
      ['--leave-running', "'maybe'"],
    ],
    [
      ['checkpoint', '--leave-running=', 'web'],
      ['--leave-running', "''"],
    ],
    [
      ['checkpoint', 'web', '--image-path'],
      ['--image-path', 'value'],
    ],
    [
      ['checkpoint', '--image-path', '--leave-running', 'web'],
      ['--image-path', '--leave-running'],
    ],
    [
      ['checkpoint', '--image-path', '-leave-running', 'web'],
      ['--image-path', '-leave-running'],
    ],
    [
      ['checkpoint', '--image-path', '', 'web'],
      ['--image-path', "''"],
    ],
    [
      ['--log-format', 'xml', 'checkpoint', 'web'],
      ['--log-format', "'xml'"],
    ],
    [
      ['--log', '/nowhere/at/all', 'checkpoint', 'web'],
      ['--log', "'/nowhere/at/all'", 'ENOENT'],
    ],
    [
      ['--root', '', 'checkpoint', 'web'],
      ['--root', "''"],
    ],
    [
      ['--root', '/', 'checkpoint', 'web'],
      ['--root', "'/'"],
    ],
    [
      ['--root', '/run/..', 'checkpoint', 'web'],
      ['--root', "'/run/..'"],
    ],
    [
      ['checkpoint', '--page-server', '10.0.0.1', 'web'],
      ['--page-server', "'10.0.0.1'"],
    ],
    [
      ['checkpoint', '--page-server', '10.0.0.1:0', 'web'],
      ['--page-server', "'10.0.0.1:0'"],
    ],
    [
      ['checkpoint', '--page-server=10.0.0.1:70000', 'web'],
      ['--page-server', '70000'],
    ],
    [
      ['checkpoint', '--page-server', '10.0.0.1:text', 'web'],
      ['--page-server', 'text'],
    ],
    [
      ['checkpoint', '--page-server', '::1:27', 'web'],
      ['--page-server', 'brackets'],
    ],
    [
      ['checkpoint', '--status-fd', 'x', ...server, 'web'],
      ['--status-fd', "'x'"],
    ],
    [
      ['checkpoint', '--status-fd', '', ...server, 'web'],
      ['--status-fd', "''"],
    ],
    [
      ['checkpoint', '--status-fd', '-1', ...server, 'web'],
      ['--status-fd', '-1'],
    ],
    [
      ['checkpoint', '--status-fd', '9999', ...server, 'web'],
      ['--status-fd', '9999', 'not open'],
    ],
    [
      ['checkpoint', '--status-fd', '1', 'web'],
      ['--status-fd 1', '--lazy-pages'],
    ],
    [
      ['checkpoint', '--lazy-pages', 'web'],
      ['--lazy-pages', '--page-server'],
    ],
    [
      ['checkpoint', '--parent-path', '/abs', 'web'],
      ['--parent-path', "'/abs'"],
    ],
    [
      ['checkpoint', '--manage-cgroups-mode', 'x', 'web'],
      ['--manage-cgroups-mode', "'x'", "'soft'"],
    ],
    [
      ['checkpoint', '--empty-ns', 'pid', 'web'],
      ['--empty-ns', "'pid'", "'network'"],
    ],
    [
      ['checkpoint', '--ghost-limit', '1T', 'web'],
      ['--ghost-limit', "'1T'"],
    ],
    [
      ['checkpoint', '--timeout-ms', '1K', 'web'],
      ['--timeout-ms', "'1K'"],
    ],
    [
      ['checkpoint', '--external', 'x', 'web'],
      ['--external', "'x'"],
    ],
    [
      ['checkpoint', '--cgroup-root', 'x', 'web'],
      ['--cgroup-root', "'x'"],
    ],
    [
      ['checkpoint', '--pre-dump-mode', 'read', 'web'],
      ['--pre-dump-mode', '--pre-dump'],
    ],
    [
      ['checkpoint', '--criu-log-file', '../x', 'web'],
      ['--criu-log-file', "'../x'"],
    ],
  ])('%j', async (args, says) => {
    const sentence = await refusalOf(...args);
    for (const part of says) expect(sentence).toContain(part);
    // No JavaScript in it.
    expect(sentence).not.toMatch(/of type|imagePath|statusFd|pageServer|\[\d\]/);
  });

  test("a descriptor of Node's own as --status-fd, as it was not handed down", async () => {
    const poller = readdirSync('/proc/self/fd').find((fd) => {
      try {
        return readlinkSync(`/proc/self/fd/${fd}`) === 'anon_inode:[eventpoll]';
      } catch {
        return false;
      }
    });
    const sentence = await refusalOf('checkpoint', '--status-fd', poller ?? '', ...server, 'web');
    expect(sentence).toContain(`--status-fd but received ${poller}: it is not open`);
  });
});
