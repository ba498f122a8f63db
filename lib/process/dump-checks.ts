import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { promisify } from 'node:util';
import { CriuError, invalidArgValue } from '../base/errors.js';
import { type OptionMention, option, sentence } from '../base/sentence.js';
import type { Stage } from '../base/stage.js';
import type { ReadyCriu } from '../criu/criu.js';
import type { CriuFeatures } from '../criu/program.js';
import { refuseParentOf } from '../images/engine-place.js';
import { checkParentPath } from '../images/place.js';
import { readTree } from '../linux/process-tree.js';
import { Budget, Procfs } from '../linux/procfs.js';
import { parsePageServer } from '../options/address.js';
import { checkStatusFd } from '../options/status-fd.js';
import { checkTls } from '../options/tls.js';
import { allowedBy } from '../preflight/allowed.js';
import { findSmallPipes } from '../preflight/checks/machine.js';
import { findUnrestorable } from '../preflight/unrestorable.js';
import { requireKnownOptions } from './known-options.js';
import type { DumpRequest } from './request.js';

/** One thing that must hold before anything is touched. */
interface DumpCheck {
  /** The stage that is told when the dump is given up meanwhile. */
  stage: Stage;
  /** Whether there is anything to be checked; always without it. */
  applies?(request: DumpRequest): boolean;
  /** @throws what does not hold; it touches nothing. */
  check(request: DumpRequest, ready: ReadyCriu): void | Promise<void>;
}

/** The checks before a dump waits for its turn, in this order. */
export const checksBeforeTurn: readonly DumpCheck[] = [
  { stage: 'criu', check: checkService },
  { stage: 'criu', check: (request, { version }) => requireKnownOptions(request, version) },
  { stage: 'process', check: checkProcess },
  {
    stage: 'directory',
    applies: ({ options }) => options.parentPath !== undefined,
    check: checkParent,
  },
  { stage: 'criu', applies: needsFeatures, check: checkFeatures },
  {
    stage: 'directory',
    applies: ({ options }) => options.tls === true,
    check: ({ options }) => checkTls(options),
  },
  { stage: 'process', applies: ({ options }) => options.lazyPages === true, check: checkPipes },
];

/** The checks of what may have changed while a dump waited for its turn, in this order. */
export const checksInTurn: readonly DumpCheck[] = [
  { stage: 'request', check: checkStatus },
  { stage: 'container', check: ({ precondition }) => precondition?.() },
  { stage: 'process', applies: mustBeRestorable, check: checkRestorable },
  { stage: 'listen', applies: ({ options }) => options.lazyPages === true, check: checkListening },
];

/** Runs checks one after the other. */
export async function runChecks(
  checks: readonly DumpCheck[],
  request: DumpRequest,
  ready: ReadyCriu,
): Promise<void> {
  for (const { stage, applies, check } of checks) {
    if (applies?.(request) === false) continue;
    const checking = check(request, ready);
    if (checking !== undefined) await request.deadline.bound(stage, checking);
  }
}

/** The criu of a service gets no connection of ours, and would listen on every address. */
function checkService({ options }: DumpRequest, { installation }: ReadyCriu): void {
  if (options.lazyPages !== true || installation.service === undefined) return;
  throw invalidArgValue('lazyPages', 'false with a criu service', true);
}

function checkProcess({ pid, operation }: DumpRequest): void {
  if (existsSync(`/proc/${pid}`)) return;
  throw new CriuError('ERR_PROCESS_NOT_FOUND', `There is no process ${pid}`, {
    operation,
    errno: 3,
  });
}

async function checkParent({ options }: DumpRequest): Promise<void> {
  const { imagePath, parentPath } = options;
  if (parentPath === undefined) return;
  await checkParentPath(imagePath, parentPath);
  await refuseParentOf(imagePath, parentPath);
}

function needsFeatures({ preDump, options }: DumpRequest): boolean {
  const { parentPath, trackMem, lazyPages } = options;
  return preDump || parentPath !== undefined || trackMem === true || lazyPages === true;
}

/** What the kernel lacks is told by name, before CRIU is asked. */
async function checkFeatures({ criu, options, preDump, operation }: DumpRequest): Promise<void> {
  const { parentPath, trackMem, lazyPages } = options;
  // Only of a checkpoint it is an option.
  const preDumping = operation === 'checkpoint' ? option('preDump') : 'a pre-dump';
  const needs: [boolean, keyof CriuFeatures, string, OptionMention | string][] = [
    [preDump, 'memTrack', 'memory tracking', preDumping],
    [parentPath !== undefined, 'memTrack', 'memory tracking', option('parentPath')],
    [trackMem === true, 'memTrack', 'memory tracking', option('trackMem')],
    [lazyPages === true, 'lazyPages', 'userfaultfd', option('lazyPages')],
  ];
  for (const [isNeeded, feature, words, needing] of needs) {
    if (!isNeeded || (await criu.features())[feature]) continue;
    throw new CriuError(
      'ERR_CRIU_FEATURE_MISSING',
      sentence`CRIU and this kernel lack ${words}, which ${needing} needs`,
      { operation },
    );
  }
}

/**
 * With pipes that are too small CRIU breaks off in the middle of serving lazy pages, when the
 * restored tasks run already.
 */
async function checkPipes({ pid, operation }: DumpRequest): Promise<void> {
  const proc = new Procfs();
  const finding = await findSmallPipes(proc, () => readTree(proc, pid, new Budget()));
  if (finding === undefined) return;
  throw new CriuError('ERR_CRIU_FEATURE_MISSING', finding.sentence, {
    operation,
    findings: [finding],
  });
}

/** The descriptor was open when the options were validated, but may have been closed since. */
function checkStatus({ options: { statusFd } }: DumpRequest): void {
  if (statusFd !== undefined) checkStatusFd(statusFd);
}

/** Tasks that end with the dump are lost if CRIU cannot bring them back. */
function mustBeRestorable({ preDump, options }: DumpRequest): boolean {
  const { leaveRunning, leaveStopped, allowUnrestorable } = options;
  return !(preDump || leaveRunning || leaveStopped || allowUnrestorable);
}

async function checkRestorable({ pid, options, fields, operation }: DumpRequest): Promise<void> {
  const findings = await findUnrestorable(pid, () => allowedBy(options, fields));
  const [first] = findings;
  if (first === undefined) return;
  const more = findings.length > 1 ? `. And ${findings.length - 1} more findings` : '';
  throw new CriuError(
    'ERR_NOT_RESTORABLE',
    sentence`CRIU could not restore the processes, so they are not ended. ${first.sentence}${more}. To
      end them nevertheless, pass ${option('allowUnrestorable', true)}`,
    { operation, stage: 'process', findings },
  );
}

/** CRIU would only find out when the tasks are frozen and all their memory is read. */
async function checkListening({ options }: DumpRequest): Promise<void> {
  const { pageServer } = options;
  if (pageServer === undefined) return;
  const { address, port } = parsePageServer('pageServer', pageServer);
  const server = process.getBuiltinModule('node:net').createServer();
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
