import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { CriuError } from '../base/errors.js';
import { type Scope, startScope } from '../base/scope.js';
import { type Criu, defaultCriu } from '../criu/criu.js';
import { openImages } from '../images/directory.js';
import { openLogDirectory } from '../images/outputs.js';
import { checkTls } from '../options/tls.js';
import type { ValidatedOptions } from '../options/validated.js';
import type { LazyPagesHandle, LazyPagesResult } from './lazy-pages-handle.js';
import { LazyPagesLog } from './lazy-pages-log.js';
import { channelFd, checkCanServe, Service, type ServingProgram } from './service.js';

const operation = 'startLazyPages';

/** Starts a lazy-pages daemon. */
export async function serveLazyPages(
  checked: ValidatedOptions['startLazyPages'],
): Promise<LazyPagesHandle> {
  const since = performance.now();
  const { signal, criu = defaultCriu() } = checked;
  const program = await checkCanServe(operation, criu, signal);
  await checkTls(checked);
  await checkUserfaults(criu);
  return await startScope((scope) => startService(scope, checked, program, since));
}

/** @param since - When the call was made: `performance.now()`. */
async function startService(
  scope: Scope,
  options: ValidatedOptions['startLazyPages'],
  program: ServingProgram,
  since: number,
): Promise<LazyPagesHandle> {
  const { imagePath, workPath, logFile: logName, address, port, wait, signal } = options;
  const lock = { wait, signal };
  const images = scope.use(await openImages('imagePath', imagePath, undefined, lock));
  const work = await openLogDirectory(scope, {
    ...(workPath === undefined
      ? { option: 'imagePath', path: imagePath }
      : { option: 'workPath', path: workPath }),
    logFile: logName,
    lock,
  });
  const logFile = join(work.path, logName);
  const socket = work.file('lazy-pages.socket');
  // What an earlier run has left would be taken for this one's.
  await Promise.all([rm(socket, { force: true }), rm(work.file(logName), { force: true })]);
  scope.defer(() => rm(socket, { force: true }).catch(() => {}));
  const log = new LazyPagesLog(work.file(logName));
  scope.defer(() => log.finish());

  let isReady = false;
  let tellReady = (): void => {};
  const ready = new Promise<void>((resolve) => {
    tellReady = resolve;
  });
  const result = async (): Promise<LazyPagesResult> => {
    const { total, served } = await log.read();
    const durationMs = performance.now() - since;
    return { imagePath, logFile, total, served, warnings: [], durationMs };
  };
  const service = new Service(
    {
      operation,
      program,
      options,
      directories: { images: images.fd, work: work.fd },
      logFile,
      arguments: [
        'lazy-pages',
        ...['--status-fd', String(channelFd)],
        ...['--page-server', '--address', address, '--port', String(port)],
      ],
      abortsByForce: false,
      onReady: () => {
        isReady = true;
        tellReady();
      },
      stage: () => (isReady ? 'listen' : 'spawn'),
      result,
    },
    scope,
  );
  const { finished } = service;
  await Promise.race([ready, finished]);
  const close = ({ force = false } = {}): Promise<void> => service.close(force);
  return {
    workPath: work.path,
    logFile,
    finished,
    progress: () => log.read(),
    close,
    [Symbol.asyncDispose]: () => close(),
  };
}

async function checkUserfaults(criu: Criu): Promise<void> {
  if ((await criu.features()).lazyPages) return;
  const lacking = 'CRIU and this kernel lack userfaultfd, which startLazyPages needs';
  throw new CriuError('ERR_CRIU_FEATURE_MISSING', lacking, { operation });
}
