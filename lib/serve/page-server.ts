import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { inOperation } from '../base/errors.js';
import { type Scope, startScope } from '../base/scope.js';
import { defaultCriu } from '../criu/criu.js';
import type { OperationResult } from '../criu/result.js';
import { openOutputs } from '../images/outputs.js';
import { checkParentPath } from '../images/place.js';
import { checkTls } from '../options/tls.js';
import type { PageServerOptions } from '../options/types.js';
import { validateOptions } from '../options/validate.js';
import type { ValidatedOptions } from '../options/validated.js';
import { channelFd, checkCanServe, Service, type ServingProgram } from './service.js';

/** What a page server has received. Its `imagePath` now holds the memory. */
export interface PageServerResult extends OperationResult {
  /** The IP address that the memory came from. */
  peer: string;
  /** Size of all memory images. */
  bytes: number;
  /** Milliseconds from the first byte to the last. */
  transferMs: number;
}

/** A page server that waits for its one sender. */
export interface PageServerHandle extends AsyncDisposable {
  /** The IP address that it listens on. */
  readonly address: string;
  /** The port that it listens on. */
  readonly port: number;
  /**
   * Resolves when a dump has sent all its memory. Rejects with a CriuError when the transfer
   * failed, and with an AbortError after `close` or an abort; what was received is removed then.
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
  return await inOperation(operation, () => start(options));
}

const operation = 'startPageServer';

async function start(options: PageServerOptions): Promise<PageServerHandle> {
  const since = performance.now();
  const checked = validateOptions('startPageServer', options);
  const { imagePath, parentPath, signal, criu = defaultCriu() } = checked;
  const program = await checkCanServe(operation, criu, signal);
  await checkTls(checked);
  if (parentPath !== undefined) await checkParentPath(imagePath, parentPath);
  const service = await startScope((scope) => startService(scope, checked, program, since));
  const { address = checked.address, port = checked.port, finished } = service;
  const close = (): Promise<void> => service.close(true);
  return { address, port, finished, close, [Symbol.asyncDispose]: close };
}

/** @param since - When the call was made: `performance.now()`. */
async function startService(
  scope: Scope,
  options: ValidatedOptions['startPageServer'],
  program: ServingProgram,
  since: number,
): Promise<Service<PageServerResult>> {
  const { imagePath, workPath, existing, address, port, wait, signal } = options;
  const logs = [options.logFile] as const;
  const outputs = await openOutputs(scope, {
    imagePath,
    workPath,
    existing,
    logs,
    lock: { wait, signal },
  });
  const { images, logDirectory, logFile } = outputs;
  let sender: { peer: string; since: number } | undefined;
  const result = async (): Promise<PageServerResult> => {
    const end = performance.now();
    return {
      imagePath: images.path,
      logFile,
      peer: sender?.peer ?? '',
      bytes: await memoryIn(images.file('')),
      transferMs: end - (sender?.since ?? end),
      warnings: [],
      durationMs: end - since,
    };
  };
  return new Service(
    {
      operation,
      program,
      options,
      directories: { images: images.fd, work: logDirectory.fd },
      logFile,
      arguments: commandOf(options),
      listen: { address, port },
      abortsByForce: true,
      onReady: (peer) => {
        sender = { peer, since: performance.now() };
      },
      stage: () => (sender ? 'transfer' : 'listen'),
      result,
      settle: (keep) => outputs.settle(keep),
    },
    scope,
  );
}

function commandOf({ autoDedup, parentPath }: PageServerOptions): string[] {
  return [
    'page-server',
    ...['--ps-socket', String(channelFd)],
    ...(autoDedup === true ? ['--auto-dedup'] : []),
    ...(parentPath === undefined ? [] : ['--prev-images-dir', parentPath]),
  ];
}

async function memoryIn(directory: string): Promise<number> {
  const names = (await readdir(directory)).filter((name) => /^pages-.*\.img$/.test(name));
  const files = await Promise.all(names.map((name) => stat(join(directory, name))));
  return files.reduce((sum, { size }) => sum + size, 0);
}
