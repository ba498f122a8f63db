import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { dump } from '../../helpers/api.js';
import { daemonFor, lazyDump, restoreApart } from '../../helpers/criu/lazy-dump.js';
import { requireNeeds } from '../../helpers/needs.js';
import { useScope } from '../../helpers/scope.js';
import { makeCertificates } from '../../helpers/system/certificates.js';
import { until } from '../../helpers/system/exec.js';
import {
  allListeners,
  kernelAddress,
  noNewListener,
  useLargePipes,
} from '../../helpers/system/network.js';
import { startWorkload } from '../../helpers/system/process.js';

const scope = useScope();
beforeAll(() =>
  requireNeeds('root', 'criu', 'libcriu', 'build', 'gcc', 'ip', 'openssl', 'runc', 'busybox'),
);

let heard: string[];
beforeEach(() => {
  useLargePipes(scope);
  heard = allListeners();
});

test('statusReady resolves when pages are to be had', async () => {
  const lazy = await lazyDump(scope);
  await lazy.dumping.statusReady;
  // The one place that was asked for, and no other.
  const hex = lazy.port.toString(16).toUpperCase().padStart(4, '0');
  expect(allListeners().filter((place) => !heard.includes(place))).toEqual([
    `${kernelAddress('127.0.0.1')}:${hex}`,
  ]);
  const daemon = await daemonFor(scope, lazy);
  expect(await daemon.progress()).toEqual({ total: 0, served: 0, left: 0 });
  expect(existsSync(join(daemon.workPath, 'lazy-pages.socket'))).toBe(true);
  restoreApart(scope, lazy.imagePath, daemon.workPath);
  const { total, served, logFile, ...result } = await daemon.finished;
  expect(result).toEqual({
    imagePath: lazy.imagePath,
    warnings: [],
    durationMs: expect.any(Number) as number,
  });
  expect(total).toBeGreaterThan(8192);
  expect(served).toBe(total);
  expect(await daemon.progress()).toEqual({ total, served, left: 0 });
  expect(logFile).toBe(join(daemon.workPath, 'lazy-pages.log'));
  expect(existsSync(join(daemon.workPath, 'lazy-pages.socket'))).toBe(false);
  expect((await lazy.dumping).stats).toBeUndefined();
  await lazy.workload.gone;
  await noNewListener(heard);
});

test('statusReady resolves for a dump that is not lazy, and rejects for one that fails', async () => {
  const { pid } = await startWorkload(scope, ['idle']);
  const imagePath = join(await scope.directory(), 'images');
  const dumping = dump(pid, { imagePath, leaveRunning: true });
  await dumping.statusReady;
  expect((await dumping).pid).toBe(pid);
  const failing = dump(pid, { imagePath });
  await expect(failing.statusReady).rejects.toMatchObject({ code: 'ERR_CRIU_IMAGES_DIR' });
  await expect(failing).rejects.toMatchObject({ code: 'ERR_CRIU_IMAGES_DIR' });
  await expect(dump(0).statusReady).rejects.toThrow(RangeError);
});

test('lazy pages are sent by TLS, each side with its own certificate', async () => {
  // Both look for their own address in what the other shows: the dump listens at ours.
  const [ours = {}, theirs = {}] = await makeCertificates(scope, ['127.0.0.1', '127.0.0.1']);
  const lazy = await lazyDump(scope, ours);
  await lazy.dumping.statusReady;
  const daemon = await daemonFor(scope, lazy, theirs);
  restoreApart(scope, lazy.imagePath, daemon.workPath);
  const { total, served } = await daemon.finished;
  expect(served).toBe(total);
  await lazy.dumping;
});

describe('a lazy-pages daemon is ended early', () => {
  test('by close, dispose and signal before a restore has reached it', async () => {
    const lazy = await lazyDump(scope);
    await lazy.dumping.statusReady;
    for (const end of ['close', 'dispose', 'signal'] as const) {
      const controller = new AbortController();
      const daemon = await daemonFor(scope, lazy, { signal: controller.signal });
      if (end === 'close') await daemon.close();
      if (end === 'dispose') await daemon[Symbol.asyncDispose]();
      if (end === 'signal') controller.abort();
      await expect(daemon.finished).rejects.toMatchObject({ code: 'ABORT_ERR', stage: 'listen' });
      expect(readdirSync(daemon.workPath)).toEqual(['lazy-pages.log']);
      await expect(daemonFor(scope, lazy, { signal: AbortSignal.abort() })).rejects.toMatchObject({
        name: 'AbortError',
      });
    }
    // The source was not touched: the next one is served.
    const daemon = await daemonFor(scope, lazy);
    restoreApart(scope, lazy.imagePath, daemon.workPath);
    await daemon.finished;
    await lazy.dumping;
  });

  test('by close when restored tasks have their memory', async () => {
    const lazy = await lazyDump(scope, {}, 512);
    await lazy.dumping.statusReady;
    const daemon = await daemonFor(scope, lazy);
    restoreApart(scope, lazy.imagePath, daemon.workPath);
    await until('the restore has begun', async () => (await daemon.progress()).total > 0);
    await daemon.close();
    const { total, served } = await daemon.finished;
    expect(served).toBe(total);
    await lazy.dumping;
  });
});

test('the log of a lazy-pages daemon has no more detail than logLevel asks for', async () => {
  const lazy = await lazyDump(scope);
  await lazy.dumping.statusReady;
  const daemon = await daemonFor(scope, lazy, { logLevel: 1, logFile: 'daemon.log' });
  restoreApart(scope, lazy.imagePath, daemon.workPath);
  await daemon.finished;
  expect(statSync(join(daemon.workPath, 'daemon.log')).size).toBeLessThan(200);
  expect(readFileSync(daemon.logFile, 'utf8')).not.toContain('uffd_copy');
});
