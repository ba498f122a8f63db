import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { CriuError, inOperation } from '../base/errors.js';
import { type Scope, startScope } from '../base/scope.js';
import { type Criu, defaultCriu } from '../criu/criu.js';
import type { OperationResult } from '../criu/result.js';
import { openImages } from '../images/directory.js';
import { openLogDirectory } from '../images/outputs.js';
import { checkTls } from '../options/tls.js';
import type { LazyPagesOptions } from '../options/types.js';
import { validateOptions } from '../options/validate.js';
import type { ValidatedOptions } from '../options/validated.js';
import { LazyPagesLog, type LazyPagesProgress } from './lazy-pages-log.js';
import { channelFd, checkCanServe, Service, type ServingProgram } from './service.js';

export type { LazyPagesProgress } from './lazy-pages-log.js';

/** What a lazy-pages daemon has done. */
export interface LazyPagesResult extends OperationResult {
  /** Memory pages that the restored tasks were to get. */
  total: number;
  /** Those that they got; fewer when they ended or gave memory back meanwhile. */
  served: number;
}

/** A lazy-pages daemon that is ready for a restore. */
export interface LazyPagesHandle extends AsyncDisposable {
  /** Absolute path of the directory that `restore` must have as its `workPath`. */
  readonly workPath: string;
  /** Absolute path of CRIU's log. */
  readonly logFile: string;
  /**
   * Resolves when the restored tasks have all their memory. Rejects with a CriuError when that
   * could not be fetched: the tasks that were restored then find zeros in the place of what is
   * missing, and have to be ended. Rejects with an AbortError after `close` or an abort.
   */
  readonly finished: Promise<LazyPagesResult>;
  /** Tells how far it is. This is counted from its log, and needs the default `logLevel` of 4. */
  progress(): Promise<LazyPagesProgress>;
  /**
   * Ends it and waits for that. When tasks that were restored depend on it, it waits until they
   * have their memory instead; with `force` it ends it all the same, and they find zeros in the
   * place of what is missing: end them first. Never rejects.
   */
  close(options?: { force?: boolean }): Promise<void>;
}

/**
 * Starts `criu lazy-pages`, which fetches the memory of a lazy dump from where that serves it, and
 * gives it to the tasks that `restore({ lazyPages: true })` restores from the same images: first
 * what they touch, then the rest. Resolves when a restore can begin.
 *
 * An abort ends it like `close`.
 *
 * @throws TypeError, RangeError for a bad option, before anything is touched.
 * @throws CriuError `ERR_CRIU_IMAGES_DIR` when there are no images, others when CRIU fails.
 * @example
 * ```ts
 * const lazy = await startLazyPages({ imagePath: '/srv/web', address: '10.0.0.1', port: 27 });
 * await restore({ imagePath: '/srv/web', lazyPages: true });
 * console.log((await lazy.progress()).left, 'pages to come');
 * await lazy.finished;
 * ```
 */
export async function startLazyPages(options: LazyPagesOptions): Promise<LazyPagesHandle> {
  return await inOperation(operation, () => start(options));
}

async function start(options: LazyPagesOptions): Promise<LazyPagesHandle> {
  const since = performance.now();
  const checked = validateOptions('startLazyPages', options);
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

const operation = 'startLazyPages';

async function checkUserfaults(criu: Criu): Promise<void> {
  if ((await criu.features()).lazyPages) return;
  const lacking = 'CRIU and this kernel lack userfaultfd, which startLazyPages needs';
  throw new CriuError('ERR_CRIU_FEATURE_MISSING', lacking, { operation });
}
