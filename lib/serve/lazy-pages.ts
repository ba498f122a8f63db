import { constants } from 'node:fs';
import { type FileHandle, open, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { abortError, CriuError, inOperation } from '../base/errors.js';
import type { Stage } from '../base/stage.js';
import { defaultCriu } from '../criu/criu.js';
import { checkDirectory } from '../images/directory.js';
import type { NativeServing } from '../native/contract.js';
import { checkTls } from '../options/tls.js';
import type { LazyPagesOptions } from '../options/types.js';
import { validateOptions } from '../options/validate.js';
import { LazyPagesLog, type LazyPagesProgress } from './lazy-pages-log.js';
import { channel, checkCanServe, type Service, serve, served } from './service.js';

export type { LazyPagesProgress } from './lazy-pages-log.js';

/** What a lazy-pages daemon has done. */
export interface LazyPagesResult {
  /** Absolute path of CRIU's log. */
  logFile: string;
  /** Memory pages that the restored tasks were to get. */
  total: number;
  /** Those that they got; fewer when they ended or gave memory back meanwhile. */
  served: number;
  /** Milliseconds from its start to its end. */
  durationMs: number;
}

/** A lazy-pages daemon that is ready for a restore. */
export interface LazyPagesHandle extends AsyncDisposable {
  /** Absolute path of the directory that `restore` must have as its `workPath`. */
  readonly workPath: string;
  /** Absolute path of CRIU's log. */
  readonly logFile: string;
  /**
   * Resolves when the restored tasks have all their memory. Rejects with a CriuError when that could
   * not be fetched: the tasks that were restored then find zeros in the place of what is missing,
   * and have to be ended. Rejects with an AbortError after `close` or an abort.
   */
  readonly finished: Promise<LazyPagesResult>;
  /** How far it is. Counted from its log, so it needs the `logLevel` 4 that is the default. */
  progress(): Promise<LazyPagesProgress>;
  /**
   * Ends it and waits for that. When tasks that were restored depend on it, it waits until they have
   * their memory instead; with `force` it ends it all the same, and they find zeros in the place of
   * what is missing: end them first. Never rejects.
   */
  close(options?: { force?: boolean }): Promise<void>;
}

/**
 * Starts `criu lazy-pages`, which fetches the memory of a lazy dump from where that serves it, and
 * gives it to the tasks that `restore({ lazyPages: true })` restores from the same images: first what
 * they touch, then the rest. Resolves when a restore can begin.
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
  return await inOperation('startLazyPages', () => start(options));
}

async function start(options: LazyPagesOptions): Promise<LazyPagesHandle> {
  const since = performance.now();
  const checked = validateOptions('startLazyPages', options);
  const { imagePath, logFile: logName, criu = defaultCriu(), signal } = checked;
  const operation = 'startLazyPages';
  if (signal?.aborted) throw abortError(signal.reason);
  const { binary } = await checkCanServe({ operation, criu });
  await checkTls(checked);
  if (!(await criu.features()).lazyPages) {
    const lacking = 'CRIU and this kernel lack userfaultfd, which startLazyPages needs';
    throw new CriuError('ERR_CRIU_FEATURE_MISSING', lacking, { operation });
  }
  await checkImages(imagePath);
  const { workPath = imagePath } = checked;
  const work = await (await checkDirectory('workPath', workPath, 'reuse', [logName])).open();
  const socket = work.file('lazy-pages.socket');
  let images: FileHandle | undefined;
  let serving: NativeServing;
  let ready = (): void => {};
  const isReady = new Promise<void>((resolve) => {
    ready = resolve;
  });
  let stage: Stage = 'spawn';
  let service: Service;
  try {
    images = await open(imagePath, constants.O_RDONLY | constants.O_DIRECTORY);
    // One of an earlier run would be taken for this one's.
    await Promise.all([rm(socket, { force: true }), rm(work.file(logName), { force: true })]);
    service = {
      operation,
      criu,
      options: checked,
      directories: { images: images.fd, work: work.fd },
      workPath: work.path,
      arguments: [
        'lazy-pages',
        ...['--status-fd', String(channel)],
        ...['--page-server', '--address', checked.address, '--port', String(checked.port)],
      ],
      onReady: () => {
        stage = 'listen';
        ready();
      },
    };
    serving = serve(service, binary);
  } catch (error) {
    await images?.close();
    work.close();
    throw error;
  }
  const directory = images;
  const log = new LazyPagesLog(work.file(logName));
  const stop = (): void => serving.stop(false);
  signal?.addEventListener('abort', stop, { once: true });
  if (signal?.aborted) stop(); // meanwhile

  const run = async (): Promise<LazyPagesResult> => {
    try {
      await served(service, serving, () => stage);
      const { total, served: pages } = await log.read();
      const logFile = join(work.path, logName);
      return { logFile, total, served: pages, durationMs: performance.now() - since };
    } finally {
      await log.finish();
      signal?.removeEventListener('abort', stop);
      await rm(socket, { force: true }).catch(() => {});
      await directory.close();
      work.close();
    }
  };
  const finished = run();
  const settled = finished.then(
    () => {},
    () => {},
  );
  await Promise.race([isReady, finished]);
  const close = ({ force = false } = {}): Promise<void> => {
    serving.stop(force);
    return settled;
  };
  return {
    workPath: work.path,
    logFile: join(work.path, logName),
    finished,
    progress: () => log.read(),
    close,
    [Symbol.asyncDispose]: () => close(),
  };
}

/** Without them the daemon would end with words about a file that is missing. */
async function checkImages(imagePath: string): Promise<void> {
  const found = await stat(join(imagePath, 'inventory.img')).catch(() => undefined);
  if (found) return;
  throw new CriuError('ERR_CRIU_IMAGES_DIR', `There are no images in imagePath ${imagePath}`, {
    operation: 'startLazyPages',
  });
}
