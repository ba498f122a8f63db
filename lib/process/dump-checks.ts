import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createServer } from 'node:net';
import { promisify } from 'node:util';
import { CriuError } from '../base/errors.js';
import { option, type Sentence, sentence } from '../base/sentence.js';
import type { CriuFeatures } from '../criu/program.js';
import { readTree } from '../linux/process-tree.js';
import { Budget, Procfs } from '../linux/procfs.js';
import { parsePageServer } from '../options/address.js';
import type { DumpOptions } from '../options/types.js';
import { findSmallPipes } from '../preflight/checks/machine.js';
import type { DumpRequest } from './request.js';

export function checkProcess({ pid, operation }: DumpRequest): void {
  if (existsSync(`/proc/${pid}`)) return;
  throw new CriuError('ERR_PROCESS_NOT_FOUND', `There is no process ${pid}`, {
    operation,
    errno: 3,
  });
}

/** What the kernel lacks is told by name, before CRIU is asked. */
export async function checkFeatures({
  criu,
  options,
  preDump,
  operation,
}: DumpRequest): Promise<void> {
  const needs: [boolean, keyof CriuFeatures, Sentence][] = [
    [
      preDump,
      'memTrack',
      sentence`memory tracking, which ${operation === 'checkpoint' ? option('preDump') : operation}
        needs`,
    ],
    [
      options.parentPath !== undefined,
      'memTrack',
      sentence`memory tracking, which ${option('parentPath')} needs`,
    ],
    [
      options.trackMem === true,
      'memTrack',
      sentence`memory tracking, which ${option('trackMem')} needs`,
    ],
    [
      options.lazyPages === true,
      'lazyPages',
      sentence`userfaultfd, which ${option('lazyPages')} needs`,
    ],
  ];
  for (const [needed, feature, words] of needs) {
    if (needed && !(await criu.features())[feature]) {
      throw new CriuError(
        'ERR_CRIU_FEATURE_MISSING',
        sentence`CRIU and this kernel lack ${words}`,
        {
          operation,
        },
      );
    }
  }
}

/**
 * With pipes that are too small CRIU breaks off in the middle of serving lazy pages, when the
 * restored tasks run already.
 */
export async function checkPipes({ pid, options, operation }: DumpRequest): Promise<void> {
  if (options.lazyPages !== true) return;
  const proc = new Procfs();
  const finding = await findSmallPipes(proc, () => readTree(proc, pid, new Budget()));
  if (finding === undefined) return;
  throw new CriuError('ERR_CRIU_FEATURE_MISSING', finding.sentence, {
    operation,
    findings: [finding],
  });
}

/** CRIU would find out with the tasks frozen and all their memory read. */
export async function checkListening({ lazyPages, pageServer }: DumpOptions): Promise<void> {
  if (lazyPages !== true || pageServer === undefined) return;
  const { address, port } = parsePageServer('pageServer', pageServer);
  const server = createServer();
  try {
    await once(server.listen({ host: address, port, ipv6Only: true }), 'listening');
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    const where = sentence`${option('pageServer')} address ${address} port ${port}`;
    throw new CriuError('ERR_CRIU_ADDRESS', sentence`Cannot listen on ${where} (${code ?? ''})`, {
      cause,
    });
  } finally {
    if (server.listening) await promisify(server.close.bind(server))();
  }
}
