import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { dump } from '../../helpers/api.js';
import { startHost } from '../../helpers/criu/host.js';
import { requireNeeds } from '../../helpers/needs.js';
import { projectRoot } from '../../helpers/paths.js';
import { useScope } from '../../helpers/scope.js';
import { makeCertificates } from '../../helpers/system/certificates.js';
import { run, runOk } from '../../helpers/system/exec.js';
import {
  allListeners,
  kernelAddress,
  noNewListener,
  useLargePipes,
} from '../../helpers/system/network.js';
import { freePort } from '../../helpers/system/port.js';
import { startStatefulProcess } from '../../helpers/workloads/stateful-process.js';

const scope = useScope();
beforeAll(() => requireNeeds('root', 'criu', 'libcriu', 'build', 'gcc', 'ip', 'openssl'));

const mebibytes = 512;
const bytes = mebibytes * 1024 * 1024;

interface Progress {
  total: number;
  served: number;
  left: number;
}

test.each([false, true])('a process moves through a page server, TLS %s', async (tls) => {
  const host = await startHost(scope);
  const state = await startStatefulProcess(scope, mebibytes);
  const directory = await scope.directory();
  const [imagePath, received] = [join(directory, 'images'), join(directory, 'received')];
  const [ours, theirs] = tls ? await makeCertificates(scope, [host.ourAddress, host.address]) : [];
  const server = await host.call<{ address: string; port: number }>('startPageServer', {
    imagePath: received,
    address: host.address,
    ...theirs,
  });
  expect(server.address).toBe(host.address);
  const result = await dump(state.pid, { imagePath, pageServer: server, ...ours });
  await state.workload.gone;
  expect(result.stats?.pagesWritten).toBeGreaterThan(bytes / 4096);
  expect(await host.call('received')).toMatchObject({
    peer: host.ourAddress,
    bytes: (result.stats?.pagesWritten ?? 0) * 4096,
  });
  // All the rest, which is small.
  await runOk('cp', ['-r', `${imagePath}/.`, received]);
  await host.call('restore', received, {});
  await state.countsOn();
  expect(await state.verdict()).toBe('intact');
  expect(state.hasNoGap()).toBe(true);
});

test.each([false, true])('a process moves with lazy pages, TLS %s', async (tls) => {
  useLargePipes(scope);
  const host = await startHost(scope);
  // So that there is a time in which some pages are here and others there, however busy the machine is.
  await host.throttle('200mbit');
  const state = await startStatefulProcess(scope, mebibytes);
  const directory = await scope.directory();
  const [imagePath, workPath] = [join(directory, 'images'), join(directory, 'work')];
  const [ours, theirs] = tls ? await makeCertificates(scope, [host.ourAddress, host.address]) : [];
  const port = await freePort(host.ourAddress);
  const heard = allListeners();

  // Somebody else waits for the status.
  const pipe = join(directory, 'status');
  await runOk('mkfifo', [pipe]);
  const program = join(projectRoot, 'test/helpers/children/status-reader.mjs');
  const reader = run(process.execPath, [program, pipe, String(port)]);
  const statusFd = openSync(pipe, 'w');
  const dumping = dump(state.pid, {
    imagePath,
    lazyPages: true,
    pageServer: { address: host.ourAddress, port },
    statusFd,
    // Of the one that connects, CRIU compares the name with its own address.
    ...(ours ? { ...ours, tlsNoCnVerify: true } : {}),
  });
  dumping.catch(() => {});
  await dumping.statusReady;
  closeSync(statusFd);
  expect(JSON.parse((await reader).stdout)).toEqual({ bytes: [0], listens: true });
  const hex = port.toString(16).toUpperCase().padStart(4, '0');
  expect(allListeners().filter((place) => !heard.includes(place))).toEqual([
    `${kernelAddress(host.ourAddress)}:${hex}`,
  ]);

  await host.call('startLazyPages', {
    imagePath,
    workPath,
    address: host.ourAddress,
    port,
    ...theirs,
  });
  await host.call('restore', imagePath, { lazyPages: true, workPath });
  await state.countsOn();
  const early = await host.call<Progress>('progress');
  expect(early.total).toBeGreaterThan(bytes / 4096 - 1);
  expect(early.left).toBeGreaterThan(0);
  await host.throttle('2gbit');
  const verdict = state.verdict();
  const { total, served } = await host.call<Progress>('fetched');
  expect(served).toBe(total);
  await dumping;
  await state.workload.gone;
  expect(await verdict).toBe('intact');
  await state.countsOn();
  expect(state.hasNoGap()).toBe(true);
  await noNewListener(heard);
});
