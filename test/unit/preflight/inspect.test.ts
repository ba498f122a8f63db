import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { Criu } from '../../../lib/criu/criu.js';
import { Budget, Procfs } from '../../../lib/linux/procfs.js';
import { inspect } from '../../../lib/preflight/inspect.js';
import { useScope } from '../../helpers/scope.js';

const scope = useScope();

describe('inspect of a made /proc', () => {
  async function madeProc(): Promise<Procfs> {
    const root = await scope.directory();
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

  test('looks at nothing but its files', async () => {
    const options = { imagePath: tmpdir() };
    const found = await inspect(
      { criu, pid: 7, preDump: false, options },
      new Budget(),
      await madeProc(),
    );
    const important = found?.filter(({ code }) => code !== 'capability');
    expect(important).toMatchObject([
      { code: 'task-traced', pid: 7, subject: 'thread 7' },
      { code: 'io-uring', pid: 7, fd: 5 },
    ]);
  });

  test('gives undefined where there is no such process', async () => {
    const request = { criu, pid: 8, preDump: false, options: {} };
    expect(await inspect(request, new Budget(), await madeProc())).toBeUndefined();
  });
});
