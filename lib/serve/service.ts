import { join } from 'node:path';
import { abortError, CriuError } from '../base/errors.js';
import type { Stage } from '../base/stage.js';
import type { Criu } from '../criu/criu.js';
import { criuEnvironment } from '../criu/environment.js';
import type { Installation } from '../criu/locate.js';
import { excerpt, readExcerpt } from '../criu/log.js';
import { requestFailure } from '../criu/request-failure.js';
import { requireRoot } from '../criu/require-root.js';
import { nativeAddon } from '../native/addon.js';
import type { NativeServing } from '../native/contract.js';
import type { LazyPagesOptions } from '../options/types.js';
import type { ValidatedOptions } from '../options/validated.js';

/** The descriptor on which criu has its connection, or tells that it is ready. */
export const channel = 3;
/** The descriptors of {@link Service.directories} in criu. */
const firstDirectory = 4;

/** What a criu that serves is started for. */
export interface Service {
  operation: 'startPageServer' | 'startLazyPages';
  criu: Criu;
  options: ValidatedOptions['startPageServer' | 'startLazyPages'];
  /** The images directory and the one for the log, as descriptors. */
  directories: { images: number; work: number };
  /** Where the log is found afterwards. */
  workPath: string;
  /** Its command and flags, without directories, log and TLS. */
  arguments: readonly string[];
  /** For a connection to which criu is to be started. */
  listen?: { address: string; port: number };
  /** Called when it is ready, or a client has connected. */
  onReady(peer: string): void;
}

/** Refuses what cannot serve, before anything is touched. */
export async function checkCanServe({
  operation,
  criu,
}: Pick<Service, 'operation' | 'criu'>): Promise<Installation> {
  requireRoot(operation);
  const installation = await criu.ready();
  if (installation.service === undefined) return installation;
  throw new CriuError(
    'ERR_CRIU_NOT_FOUND',
    `${operation} starts the criu program; the criu service ${installation.service} cannot do that`,
    { operation },
  );
}

/**
 * Starts a criu that serves.
 *
 * @throws CriuError `ERR_CRIU_ADDRESS` when it cannot listen.
 */
export function serve(service: Service, binary: string): NativeServing {
  const { operation, options, directories, listen, onReady } = service;
  const inCriu = (index: number): string => `/proc/self/fd/${firstDirectory + index}`;
  const request = {
    binary,
    arguments: [
      binary,
      ...service.arguments,
      ...['--images-dir', inCriu(0), '--work-dir', inCriu(1)],
      ...['--log-file', options.logFile, `-v${options.logLevel}`],
      ...tlsFlags(options),
    ],
    environment: criuEnvironment(),
    held: [directories.images, directories.work],
    ...listen,
  };
  try {
    return nativeAddon().serve(request, onReady);
  } catch (error) {
    throw startFailure(operation, error as Error & { stage?: string; errno?: number });
  }
}

function startFailure(
  operation: Service['operation'],
  error: Error & { stage?: string; errno?: number },
): Error {
  const { stage, errno = 0, message } = error;
  if (stage === undefined) return error;
  const outcome = { ...unspoken, failure: { stage, errno, message } };
  return requestFailure(operation, outcome);
}

/** Of a criu that is not talked to. */
const unspoken = {
  replied: true,
  errno: 0,
  message: '',
  stage: 'spawn' as const,
  printed: '',
  exitCode: 0,
  exitSignal: 0,
};

/**
 * Waits for its end.
 *
 * @throws an AbortError when it was stopped, CriuError when it failed.
 */
export async function served(
  { operation, options, directories, workPath }: Service,
  serving: NativeServing,
  stage: () => Stage,
): Promise<void> {
  const outcome = await serving.done;
  if (outcome.stopped) throw abortError(options.signal?.reason, stage());
  const { failure, exitCode, exitSignal } = outcome;
  if (!failure && exitCode === 0 && exitSignal === 0) return;
  const log = await readExcerpt(`/proc/self/fd/${directories.work}/${options.logFile}`).catch(() =>
    excerpt(''),
  );
  throw requestFailure(
    operation,
    { ...unspoken, ...outcome, replied: exitSignal === 0, stage: stage() },
    log,
    outcome.started ? join(workPath, options.logFile) : undefined,
  );
}

function tlsFlags(options: Omit<LazyPagesOptions, 'address' | 'port'>): string[] {
  const { tls, tlsCacert, tlsCacrl, tlsCert, tlsKey, tlsNoCnVerify } = options;
  if (tls !== true) return [];
  const files = { 'tls-cacert': tlsCacert, 'tls-cacrl': tlsCacrl, 'tls-cert': tlsCert };
  return [
    '--tls',
    ...Object.entries({ ...files, 'tls-key': tlsKey }).flatMap(([flag, path]) =>
      path === undefined ? [] : [`--${flag}`, path],
    ),
    ...(tlsNoCnVerify === true ? ['--tls-no-cn-verify'] : []),
  ];
}
