import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { abortError, inOperation } from '../base/errors.js';
import { defaultCriu } from '../criu/criu.js';
import { checkDirectory, claimDirectory } from '../images/directory.js';
import { checkParentPath } from '../images/place.js';
import type { NativeServing } from '../native/contract.js';
import { checkTls } from '../options/tls.js';
import type { PageServerOptions } from '../options/types.js';
import { validateOptions } from '../options/validate.js';
import { channel, checkCanServe, type Service, serve, served } from './service.js';

/** What a page server has received. */
export interface PageServerResult {
  /** Absolute path of the images directory, which now holds the memory. */
  imagePath: string;
  /** Absolute path of CRIU's log. */
  logFile: string;
  /** The IP address that the memory came from. */
  peer: string;
  /** Size of all memory images. */
  bytes: number;
  /** Milliseconds from the first byte to the last. */
  durationMs: number;
}

/** A page server that waits for its one sender. */
export interface PageServerHandle extends AsyncDisposable {
  /** The IP address that it listens on. */
  readonly address: string;
  /** The port that it listens on. */
  readonly port: number;
  /**
   * Resolves when a dump has sent all its memory. Rejects with a CriuError when the transfer failed,
   * and with an AbortError after `close` or an abort; what was received is removed then.
   */
  readonly finished: Promise<PageServerResult>;
  /** Ends it, whatever it is doing, and waits until all is cleaned up. Never rejects. */
  close(): Promise<void>;
}

/**
 * Receives the memory of one dump whose `pageServer` is ours, on another host as a rule, into a
 * fresh images directory; the dump's other images are copied there by other means.
 *
 * It listens on the given address alone. The first connection that sends something is the sender,
 * and the port is closed then; connections that do not are ignored.
 *
 * @throws TypeError, RangeError for a bad option, before anything is touched.
 * @throws CriuError `ERR_CRIU_ADDRESS` when the address cannot be listened on.
 * @example
 * ```ts
 * const server = await startPageServer({ imagePath: '/srv/web', address: '10.0.0.2' });
 * console.log(server.port); // for the sender: dump(pid, { pageServer: `10.0.0.2:${server.port}` })
 * console.log((await server.finished).bytes);
 * ```
 */
export async function startPageServer(options: PageServerOptions): Promise<PageServerHandle> {
  return await inOperation('startPageServer', () => start(options));
}

async function start(options: PageServerOptions): Promise<PageServerHandle> {
  const checked = validateOptions('startPageServer', options);
  const { imagePath, parentPath, logFile: logName, criu = defaultCriu(), signal } = checked;
  if (signal?.aborted) throw abortError(signal.reason);
  const { binary } = await checkCanServe({ operation: 'startPageServer', criu });
  await checkTls(checked);
  if (parentPath !== undefined) await checkParentPath(imagePath, parentPath);
  const giveBack = claimDirectory('imagePath', imagePath);
  try {
    return await listen(checked, binary, logName, giveBack);
  } catch (error) {
    giveBack();
    throw error;
  }
}

async function listen(
  options: ReturnType<typeof validateOptions<'startPageServer'>>,
  binary: string,
  logName: string,
  giveBack: () => void,
): Promise<PageServerHandle> {
  const { imagePath, workPath, parentPath, existing, signal, criu = defaultCriu() } = options;
  const checkedImages = await checkDirectory('imagePath', imagePath, existing, [logName]);
  const checkedWork =
    workPath === undefined
      ? undefined
      : await checkDirectory('workPath', workPath, 'reuse', [logName]);
  const images = await checkedImages.open();
  const work = await checkedWork?.open().catch(async (error: unknown) => {
    await images.discard([]);
    images.close();
    throw error;
  });
  let sender: { peer: string; since: number } | undefined;
  const service: Service = {
    operation: 'startPageServer',
    criu,
    options,
    directories: { images: images.fd, work: (work ?? images).fd },
    workPath: (work ?? images).path,
    arguments: [
      'page-server',
      ...['--ps-socket', String(channel)],
      ...(options.autoDedup === true ? ['--auto-dedup'] : []),
      ...(parentPath === undefined ? [] : ['--prev-images-dir', parentPath]),
    ],
    listen: { address: options.address, port: options.port },
    onReady: (peer) => {
      sender = { peer, since: performance.now() };
    },
  };
  let serving: NativeServing;
  try {
    serving = serve(service, binary);
  } catch (error) {
    await Promise.allSettled([images.discard([]), work?.discard([])]);
    images.close();
    work?.close();
    throw error;
  }
  const stop = (): void => serving.stop(true);
  signal?.addEventListener('abort', stop, { once: true });
  if (signal?.aborted) stop(); // meanwhile

  const receive = async (): Promise<PageServerResult> => {
    try {
      await served(service, serving, () => (sender ? 'transfer' : 'listen'));
      const durationMs = performance.now() - (sender?.since ?? 0);
      const bytes = await memoryIn(`/proc/self/fd/${images.fd}`);
      await images.keep();
      const logFile = join((work ?? images).path, logName);
      return { imagePath: images.path, logFile, peer: sender?.peer ?? '', bytes, durationMs };
    } catch (error) {
      await Promise.allSettled([images.discard([logName]), work?.discard([logName])]);
      throw error;
    } finally {
      signal?.removeEventListener('abort', stop);
      images.close();
      work?.close();
      giveBack();
    }
  };
  const finished = receive();
  // Whoever waits for it is told; who does not has no use for a failure.
  const settled = finished.then(
    () => {},
    () => {},
  );
  const close = (): Promise<void> => {
    stop();
    return settled;
  };
  const { address = options.address, port = options.port } = serving;
  return { address, port, finished, close, [Symbol.asyncDispose]: close };
}

async function memoryIn(directory: string): Promise<number> {
  const names = (await readdir(directory)).filter((name) => /^pages-.*\.img$/.test(name));
  const files = await Promise.all(names.map((name) => stat(join(directory, name))));
  return files.reduce((sum, { size }) => sum + size, 0);
}
