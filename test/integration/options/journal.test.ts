import { spawn } from 'node:child_process';
import { mkdirSync, readFileSync, unlinkSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { dirname, join } from 'node:path';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { explain } from '../../../lib/explain.js';
import { journalSocket, openStream } from '../../../lib/linux/journal.js';
import { nativeAddon } from '../../../lib/native/addon.js';
import { dump, restore } from '../../helpers/api.js';
import { dumpFails } from '../../helpers/criu/attempt.js';
import { requireNeeds } from '../../helpers/needs.js';
import { optionTest } from '../../helpers/option-test.js';
import { distIndex } from '../../helpers/paths.js';
import { failureOf } from '../../helpers/rejection.js';
import { useScope } from '../../helpers/scope.js';
import { runOk, until } from '../../helpers/system/exec.js';
import { isAlive } from '../../helpers/system/process.js';

const scope = useScope();
beforeAll(() => requireNeeds('root', 'criu', 'libcriu', 'build'));

/** What the journal has been told, a text for each connection. */
let streams: string[] = [];
let journal: Server;
beforeEach(async () => {
  // It is in a mount namespace of the test's own.
  mkdirSync('/run/systemd', { recursive: true });
  await runOk('mount', ['-t', 'tmpfs', 'libcriu-test', '/run/systemd']);
  scope.defer(() => runOk('umount', ['/run/systemd']));
  mkdirSync(dirname(journalSocket));
  streams = [];
  const sockets = new Set<Socket>();
  journal = createServer((socket) => {
    const at = streams.push('') - 1;
    sockets.add(socket);
    socket.on('data', (data) => {
      streams[at] = `${streams[at]}${data}`;
    });
    socket.on('error', () => {});
  });
  await new Promise<void>((ready) => journal.listen(journalSocket, ready));
  scope.defer(() => {
    journal.close();
    for (const socket of sockets) socket.destroy();
  });
});

/** A service that writes lines to the journal, as systemd starts one. */
async function startService(command = 'while :; do echo line; sleep 0.05; done'): Promise<number> {
  const fd = openStream({ identifier: 'web', unit: 'web.service' });
  const child = spawn('sh', ['-c', command], {
    stdio: ['ignore', fd, fd],
    detached: true,
    cwd: '/',
  });
  nativeAddon().closeDescriptor(fd);
  const { pid = 0 } = child;
  scope.defer(() => endGroup(pid));
  await until('it writes', () => /line/.test(streams.at(-1) ?? ''));
  return pid;
}

function endGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // It has ended.
  }
}

describe('a stream to the journal', () => {
  optionTest('journal', 'is saved with it, and connected anew at restore', async () => {
    const pid = await startService();
    expect(streams).toEqual([expect.stringMatching(/^web\nweb\.service\n6\n1\n0\n0\n0\nline\n/)]);
    const [finding] = await explain(pid);
    expect(finding).toMatchObject({
      code: 'unix-journal',
      severity: 'needs-option',
      pid,
      fd: 1,
      option: 'journal',
      value: true,
    });
    await dumpFails(scope, pid);
    expect(await explain(pid, { journal: true })).toEqual([]);
    const imagePath = join(await scope.directory(), 'images');
    await dump(pid, { imagePath, journal: true });
    await until('it has ended', () => !isAlive(pid));
    expect(JSON.parse(readFileSync(join(imagePath, 'libcriu-journal.json'), 'utf8'))).toEqual({
      streams: [{ inode: expect.stringMatching(/^\d+$/), identifier: 'sh', unit: '' }],
    });
    const restored = await restore(imagePath, { journal: true });
    expect(restored.pid).toBe(pid);
    await until('it writes on', () => /line/.test(streams[1] ?? ''));
    expect(streams[1]).toMatch(/^sh\n\n6\n1\n0\n0\n0\nline\n/);
  });

  test('of a tree that has none is nothing to it', async () => {
    const child = spawn('sleep', ['1000'], { stdio: 'ignore', detached: true, cwd: '/' });
    const { pid = 0 } = child;
    scope.defer(() => endGroup(pid));
    const imagePath = join(await scope.directory(), 'images');
    await dump(pid, { imagePath, journal: true });
    await until('it has ended', () => !isAlive(pid));
    await restore(imagePath, { journal: true });
    expect(streams).toEqual([]);
  });

  test('is not restored where there is no journal, which is told', async () => {
    const pid = await startService();
    const imagePath = join(await scope.directory(), 'images');
    await dump(pid, { imagePath, journal: true });
    await until('it has ended', () => !isAlive(pid));
    await new Promise((closed) => {
      journal.close(closed);
      unlinkIfThere(journalSocket);
    });
    const error = await failureOf(restore(imagePath, { journal: true }));
    expect(error).toMatchObject({ code: 'ERR_SYSTEM_ERROR', operation: 'restore' });
    expect(error.message).toContain(journalSocket);
    expect(isAlive(pid)).toBe(false);
  });

  test('is refused by name in a process that saves itself', async () => {
    const directory = await scope.directory();
    const program = `
      import { checkpointSelf } from ${JSON.stringify(distIndex)};
      const imagePath = ${JSON.stringify(join(directory, 'images'))};
      await checkpointSelf({ imagePath, leaveRunning: true }).then(
        () => console.log('line saved'),
        ({ code, message }) => console.log('line', code, message),
      );
      setInterval(() => {}, 1000);`;
    const node = [process.execPath, '--input-type=module', '-e', program];
    await startService(
      `exec ${node.map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(' ')}`,
    );
    expect(streams[0]).toContain('line ERR_NOT_CHECKPOINTABLE');
    expect(streams[0]).toContain('to the journal of systemd: pass journal: true');
  });
});

function unlinkIfThere(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // The server has removed it.
  }
}
