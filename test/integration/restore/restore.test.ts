import { chmodSync, chownSync, readFileSync, rmSync, unlinkSync, writeFileSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { versionText } from '../../../lib/criu/program.js';
import { Criu } from '../../helpers/api.js';
import { dumpAway, restoreFails, restoreOk } from '../../helpers/criu/restored.js';
import { requireNeeds } from '../../helpers/needs.js';
import { optionTest } from '../../helpers/option-test.js';
import { useScope } from '../../helpers/scope.js';
import { until } from '../../helpers/system/exec.js';
import { assertNoLeak, hasSpare, settledHoldings } from '../../helpers/system/leaks.js';
import {
  allProcesses,
  isAlive,
  processState,
  startNode,
  startShell,
  startWorkload,
} from '../../helpers/system/process.js';

const scope = useScope();
beforeAll(() => requireNeeds('root', 'criu', 'libcriu', 'gcc'));

/** Numbers that a workload has written, a line each; a last line without its end is left out. */
function numbersIn(log: string): number[] {
  const text = readFileSync(log, 'utf8');
  return text.slice(0, text.lastIndexOf('\n')).split('\n').map(Number);
}

function steps(numbers: readonly number[]): Set<number> {
  return new Set(numbers.slice(1).map((number, index) => number - (numbers[index] ?? 0)));
}

describe('restore brings back', () => {
  test('a Node.js HTTP server, with what it has in memory', async () => {
    const node = await startNode(
      scope,
      `let served = 0;
       const server = require('node:http').createServer((_, response) => {
         response.end(String(++served));
       });
       server.listen(0, '127.0.0.1', () => ready(server.address().port));`,
    );
    const ask = async (): Promise<string> =>
      (
        await fetch(`http://127.0.0.1:${node.report}/`, { headers: { connection: 'close' } })
      ).text();
    expect(await ask()).toBe('1');
    expect(await ask()).toBe('2');
    // What was closed is in TIME_WAIT, which is nobody's.
    const imagePath = await dumpAway(scope, node);
    await expect(ask()).rejects.toThrow();
    const { pid } = await restoreOk(scope, imagePath);
    expect(pid).toBe(node.pid);
    expect(await ask()).toBe('3');
  });

  test('ten threads', async () => {
    const file = join(await scope.directory(), 'counts');
    const threads = await startWorkload(scope, ['counters', file, 10]);
    const counts = (): bigint[] => {
      const bytes = readFileSync(file);
      return Array.from({ length: 10 }, (_, index) => bytes.readBigUInt64LE(index * 8));
    };
    await until('all threads count', () => counts().every((count) => count > 2n));
    const imagePath = await dumpAway(scope, threads);
    const before = counts();
    await restoreOk(scope, imagePath);
    await until('all threads count on', () =>
      counts().every((count, index) => count > (before[index] ?? 0n) + 2n),
    );
    // A thread that finds another number than its own writes the largest there is.
    expect(counts().every((count) => count < 1_000_000n)).toBe(true);
  });

  test('50 processes with pipes between them', async () => {
    const log = join(await scope.directory(), 'log');
    const ring = await startWorkload(scope, ['ring', log, 50]);
    const tree = (): number => allProcesses().filter(({ session }) => session === ring.pid).length;
    await until('the number goes round', () => numbersIn(log).length > 3);
    expect(tree()).toBe(50);
    const imagePath = await dumpAway(scope, ring);
    await until('the tree is gone', () => tree() === 0, 20_000);
    const before = numbersIn(log).length;
    await restoreOk(scope, imagePath);
    expect(tree()).toBe(50);
    await until('the number goes on', () => numbersIn(log).length > before + 3);
    expect(steps(numbersIn(log))).toEqual(new Set([50]));
  });

  test('nothing of images that a newer CRIU has made, which is told', async () => {
    const imagePath = await dumpAway(scope, await startWorkload(scope, ['idle']));
    const { major, minor, sublevel } = await new Criu().version();
    const noted = join(imagePath, 'libcriu-criu.json');
    const made = (criu: string): void => writeFileSync(noted, JSON.stringify({ criu }));
    expect(readFileSync(noted, 'utf8')).toBe(
      `${JSON.stringify({ criu: versionText({ major, minor, sublevel }) })}\n`,
    );
    rmSync(join(imagePath, 'pstree.img'));
    expect((await restoreFails(imagePath)).message).not.toContain('The images were made by');
    made('99.1');
    expect((await restoreFails(imagePath)).message).toMatch(
      /The images were made by CRIU 99\.1, and this is 4\.\d+.*: restore them with 99\.1$/,
    );
    // Of this one it does not die.
    rmSync(join(imagePath, 'inventory.img'));
    writeFileSync(join(imagePath, 'inventory.img'), 'something new');
    expect((await restoreFails(imagePath)).message).toContain('restore them with 99.1');
    made('3.16');
    expect((await restoreFails(imagePath)).message).toContain('made by CRIU 3.16, and this is');
  });

  test('both ends of a TCP connection, with all data', async () => {
    const log = join(await scope.directory(), 'log');
    const stream = await startWorkload(scope, ['tcp-stream', log]);
    await until('data flows', () => numbersIn(log).length > 3);
    const imagePath = await dumpAway(scope, stream, { tcpEstablished: true });
    const before = numbersIn(log).length;
    expect((await restoreFails(imagePath)).message).toMatch(/Connected TCP socket in image/);
    await restoreOk(scope, imagePath, { tcpEstablished: true });
    await until('data flows on', () => numbersIn(log).length > before + 10);
    expect(steps(numbersIn(log))).toEqual(new Set([1]));
  });

  test('one end of a TCP connection, whose other end does not notice', async () => {
    const connections: Socket[] = [];
    const server = createServer((socket) => connections.push(socket));
    scope.defer(() => server.close());
    scope.defer(() => {
      for (const socket of connections) socket.destroy();
    });
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
    const { port } = server.address() as { port: number };
    const echo = await startWorkload(scope, ['tcp-echo', port]);
    const [socket] = await until('it is connected', () => connections.length > 0 && connections);
    if (socket === undefined) throw new Error('no connection');
    let received = '';
    socket.on('data', (data) => {
      received += data.toString('latin1');
    });
    socket.write('before ');
    await until('it answers', () => received === 'before ');
    const imagePath = await dumpAway(scope, echo, { tcpEstablished: true });
    socket.write('meanwhile ');
    await restoreOk(scope, imagePath, { tcpEstablished: true });
    socket.write('after');
    await until('it answers all', () => received === 'before meanwhile after', 20_000);
  });

  test('an open file without a name', async () => {
    const directory = await scope.directory();
    const log = join(directory, 'log');
    const unlinked = await startWorkload(scope, ['unlinked', join(directory, 'file'), log]);
    await until('it writes', () => numbersIn(log).length > 3);
    const imagePath = await dumpAway(scope, unlinked);
    const before = numbersIn(log).length;
    await restoreOk(scope, imagePath);
    await until('it writes on', () => numbersIn(log).length > before + 3);
    expect(steps(numbersIn(log))).toEqual(new Set([1]));
  });
});

test('what is restored belongs to the init process unless told otherwise', async () => {
  const idle = await startWorkload(scope, ['idle']);
  const imagePath = await dumpAway(scope, idle);
  const restored = await restoreOk(scope, imagePath, { restoreSibling: false });
  expect(restored.pid).toBe(idle.pid);
  expect(restored.exited).toBeUndefined();
  expect(processState(restored.pid)?.parent).not.toBe(process.pid);
  expect(restored.logFile).toBe(join(imagePath, 'restore.log'));
  expect(restored.stats?.restoreTimeUs).toBeGreaterThan(0);
  expect(restored.stats?.pagesRestored).toBeGreaterThan(0);
  expect(restored.timings.criuMs).toBeGreaterThan(0);
  expect(restored.durationMs).toBeGreaterThan(restored.timings.criuMs);
});

optionTest('restoreSibling', 'makes it a child, whose signal is told', async () => {
  const idle = await startWorkload(scope, ['idle']);
  const imagePath = await dumpAway(scope, idle);
  const before = await settledHoldings([], hasSpare);
  const { pid, exited } = await restoreOk(scope, imagePath);
  expect(processState(pid)?.parent).toBe(process.pid);
  process.kill(pid, 'SIGTERM');
  expect(await exited).toEqual({ code: null, signal: 'SIGTERM' });
  expect(processState(pid)).toBeUndefined();
  await assertNoLeak(before);
});

test('exited tells the exit status, and leaves alone the other children', async () => {
  const go = join(await scope.directory(), 'go');
  const script = `while [ ! -e ${go} ]; do sleep 0.02; done; exit 7`;
  const shell = await startShell(scope, script);
  const imagePath = await dumpAway(scope, shell);
  const other = await startShell(scope, script);
  const { exited } = await restoreOk(scope, imagePath);
  await startShell(scope, `: > ${go}`);
  expect(await exited).toEqual({ code: 7, signal: null });
  await other.gone;
  expect(other.child.exitCode).toBe(7);
});

describe('a restore that fails', () => {
  test('because another process has the pid', async () => {
    const idle = await startWorkload(scope, ['idle']);
    const imagePath = await dumpAway(scope, idle);
    await restoreOk(scope, imagePath);
    for (const restoreSibling of [false, true]) {
      const error = await restoreFails(imagePath, { restoreSibling });
      expect(error).toMatchObject({ code: 'ERR_PROCESS_EXISTS', operation: 'restore', errno: 17 });
      expect(error.message).toContain(`process ${idle.pid}`);
      expect(error.message).toContain('workload');
    }
    expect(isAlive(idle.pid)).toBe(true);
  });

  test.each([
    ['cut short', (image: Buffer) => image.subarray(0, -1)],
    ['another file', () => Buffer.from('not an image')],
  ])(
    'because pstree.img is %s, which CRIU says, and the whole one is restored',
    async (_, change) => {
      const idle = await startWorkload(scope, ['idle']);
      const imagePath = await dumpAway(scope, idle);
      const file = join(imagePath, 'pstree.img');
      const whole = readFileSync(file);
      writeFileSync(file, change(whole));
      const error = await restoreFails(imagePath);
      expect(error).toMatchObject({ code: 'ERR_CRIU_FAILED', operation: 'restore' });
      expect(error.log.join()).toMatch(/pstree\.img/);
      expect(processState(idle.pid)).toBeUndefined();
      writeFileSync(file, whole);
      await restoreOk(scope, imagePath);
    },
  );

  test.each<[string, (imagePath: string) => void]>([
    ['belongs to another user', (imagePath) => chownSync(imagePath, 65_534, 65_534)],
    ['may be written by a group', (imagePath) => chmodSync(imagePath, 0o770)],
  ])('because its directory %s, and its owner is told', async (_what, spoil) => {
    const idle = await startWorkload(scope, ['idle']);
    const imagePath = await dumpAway(scope, idle);
    spoil(imagePath);
    const error = await restoreFails(imagePath);
    expect(error).toMatchObject({ code: 'ERR_UNTRUSTED_PATH', operation: 'restore' });
    expect(error.message).toContain(imagePath);
    expect(processState(idle.pid)).toBeUndefined();
    chownSync(imagePath, 0, 0);
    chmodSync(imagePath, 0o700);
    await restoreOk(scope, imagePath);
  });

  test('because a file is gone leaves nothing behind', async () => {
    const directory = await scope.directory();
    const holder = await startWorkload(scope, ['count', join(directory, 'log'), 5000]);
    const imagePath = await dumpAway(scope, holder);
    unlinkSync(join(directory, 'log'));
    for (const restoreSibling of [false, true]) {
      const before = await settledHoldings([], hasSpare);
      const error = await restoreFails(imagePath, { restoreSibling });
      expect(error.code).toBe('ERR_CRIU_FAILED');
      expect(error.message).toMatch(/^CRIU failed to restore the process, at stage .*: .*log/);
      expect(error.logFile).toBe(join(imagePath, 'restore.log'));
      expect(error.log.length).toBeGreaterThan(0);
      await assertNoLeak(before);
      // As a child of ours it is reaped, too; otherwise by init, in its own time.
      if (restoreSibling) expect(processState(holder.pid)).toBeUndefined();
      else expect(isAlive(holder.pid)).toBe(false);
    }
  });
});
