import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { asTables } from '../../../lib/inspect/as-table.js';
import { asTree } from '../../../lib/inspect/as-tree.js';
import { diffCheckpoints } from '../../../lib/inspect/diff.js';
import { asPage } from '../../../lib/inspect/html/page.js';
import { inspect } from '../../../lib/inspect/inspect.js';
import type { CheckpointReport } from '../../../lib/inspect/report.js';
import { MadeImages } from '../../helpers/criu/made-images.js';
import { projectRoot } from '../../helpers/paths.js';
import { useScope } from '../../helpers/scope.js';

const scope = useScope();
/** Real images of two processes with something of most kinds, and the mounts of a container. */
const checkpoint = join(projectRoot, 'test/fixtures/images/checkpoint.tar');
let report: CheckpointReport;
beforeAll(async () => {
  report = await inspect(checkpoint);
});

describe('real images', () => {
  test('are told with what is open', () => {
    const described = report.processes[0]?.descriptors.map(({ description }) => description);
    expect(described).toEqual(
      expect.arrayContaining([
        '/dev/null',
        'inotify, 1 watched',
        'memfd:a memfd',
        'epoll, 1 watched',
        'eventfd, 7',
        'timerfd',
        'signalfd',
        'netlink',
        'packet',
        '/dev/pts/0',
        'tcp 127.0.0.1:60119 LISTEN',
        'udp6 [::]:57172',
        'unix @abstract 41@rc/pd/a socket',
      ]),
    );
  });

  test('are told with their sockets, mounts and namespaces', () => {
    expect(report.sockets).toHaveLength(13);
    expect(report.sockets[7]).toEqual({
      protocol: 'tcp',
      type: 'STREAM',
      state: 'ESTABLISHED',
      local: '127.0.0.1:33112',
      remote: '127.0.0.1:60119',
      unread: 'and back'.length,
      unsent: 0,
      holders: [
        { pid: 41, fd: 21 },
        { pid: 43, fd: 21 },
      ],
    });
    expect(report.mounts).toContainEqual(
      expect.objectContaining({ mountPoint: '/dev/shm', type: 'tmpfs', external: undefined }),
    );
    expect(report.namespaces).toContainEqual({
      kind: 'net',
      id: 9,
      isOutside: false,
      pids: [41, 43],
      detail: 'lo',
    });
    expect(report.namespaces.filter(({ isOutside }) => isOutside)).toHaveLength(7);
  });

  test('are shown whole as a tree, as tables and as a page', () => {
    const shown = [asTree(report, { hasFiles: true }), asTables(report), asPage(report)];
    for (const text of shown) {
      for (const word of ['/dev/shm', 'memfd:a memfd', '127.0.0.1:60119', '41:21, 43:21', 'lo']) {
        expect(text).toContain(word);
      }
    }
  });

  test('differ from others in processes and sockets', async () => {
    const { directory } = new MadeImages(join(await scope.directory(), 'images')).dump({ pid: 41 });
    const { processes, sockets } = await diffCheckpoints(directory, checkpoint);
    expect(processes.came.map(({ pid }) => pid)).toEqual([43]);
    expect(processes.stayed[0]?.descriptors.came).toHaveLength(30);
    expect(sockets.came).toHaveLength(13);
  });
});
