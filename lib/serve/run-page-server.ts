import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type Scope, startScope } from '../base/scope.js';
import { defaultCriu } from '../criu/criu.js';
import { openOutputs } from '../images/outputs.js';
import { checkParentPath } from '../images/place.js';
import { checkTls } from '../options/tls.js';
import type { ValidatedOptions } from '../options/validated.js';
import type { PageServerHandle, PageServerResult } from './page-server-handle.js';
import { channelFd, checkCanServe, Service, type ServingProgram } from './service.js';

const operation = 'startPageServer';

/** Starts a page server. */
export async function servePages(
  checked: ValidatedOptions['startPageServer'],
): Promise<PageServerHandle> {
  const since = performance.now();
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

function commandOf({ autoDedup, parentPath }: ValidatedOptions['startPageServer']): string[] {
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
