import { abortError, CriuError } from '../base/errors.js';
import { type Scope, withScope } from '../base/scope.js';
import type { Stage } from '../base/stage.js';
import type { Criu } from '../criu/criu.js';
import { excerpt, readExcerpt } from '../criu/log.js';
import { requestFailure } from '../criu/request-failure.js';
import { requireRoot } from '../criu/require-root.js';
import type { Keep } from '../images/outputs.js';
import { nativeAddon } from '../native/addon.js';
import type { NativeServeRequest, NativeServing } from '../native/contract.js';
import { nativeFailureOf } from '../native/failure.js';
import type { LazyPagesOptions, PageServerOptions } from '../options/types.js';
import type { ValidatedOptions } from '../options/validated.js';

/** The descriptor on which criu has its connection, or tells that it is ready. */
export const channelFd = 3;
/** The descriptors of {@link ServiceSettings.directories} in criu. */
const firstDirectoryFd = 4;

type Operation = 'startPageServer' | 'startLazyPages';

/** A criu program that can be started to serve. */
export interface ServingProgram {
  /** Its absolute path. */
  binary: string;
  /** All that it gets to see, as `NAME=value`. */
  environment: readonly string[];
}

/** What one kind of service says of itself; the rest of its life is the same for all. */
interface ServiceSettings<Result> {
  operation: Operation;
  /** The criu that serves. */
  program: ServingProgram;
  options: ValidatedOptions['startPageServer' | 'startLazyPages'];
  /** The images directory and the one for the log, as descriptors. */
  directories: { images: number; work: number };
  /** Absolute path of the log, once the service has ended. */
  logFile: string;
  /** Its command and flags, without directories, log and TLS. */
  arguments: readonly string[];
  /** For a connection to which criu is to be started. */
  listen?: { address: string; port: number };
  /** Whether an abort ends it even when restored tasks depend on it. */
  abortsByForce: boolean;
  /** Called when it is ready, or when a client has connected. */
  onReady(peer: string): void;
  /** How far it is, for errors. */
  stage(): Stage;
  /** What it tells after criu has succeeded. */
  result(): Promise<Result>;
  /** Called at its end, once, for what it has written. */
  settle?(keep: Keep): Promise<void>;
}

/**
 * Makes sure that a service can be started, before anything is touched.
 *
 * @throws an AbortError, CriuError
 */
export async function checkCanServe(
  operation: Operation,
  criu: Criu,
  signal: AbortSignal | undefined,
): Promise<ServingProgram> {
  if (signal?.aborted) throw abortError(signal.reason);
  requireRoot(operation);
  const { binary, service } = (await criu.ready()).installation;
  if (service === undefined) return { binary, environment: await criu.environment() };
  throw new CriuError(
    'ERR_CRIU_NOT_FOUND',
    `${operation} starts the criu program; the criu service ${service} cannot do that`,
    { operation },
  );
}

/** A criu that serves, from its start to its end. */
export class Service<Result> {
  /** Rejects with an AbortError when it was stopped, with a CriuError when it failed. */
  readonly finished: Promise<Result>;
  /** Where it listens. */
  readonly address: string | undefined;
  readonly port: number | undefined;
  readonly #settings: ServiceSettings<Result>;
  readonly #serving: NativeServing;
  readonly #settled: Promise<void>;
  #keep: Keep = 'nothing';

  /**
   * Starts it.
   *
   * @param scope - What it needs. From now on it closes the scope at its end; when it cannot be
   * started the caller does.
   * @throws CriuError `ERR_CRIU_ADDRESS` when it cannot listen.
   */
  constructor(settings: ServiceSettings<Result>, scope: Scope) {
    this.#settings = settings;
    scope.defer(() => settings.settle?.(this.#keep));
    this.#serving = startServing(settings);
    this.address = this.#serving.address;
    this.port = this.#serving.port;
    this.#keep = 'log';
    this.#stopOnAbort(scope);
    this.finished = withScope(() => this.#run(), scope);
    // Whoever waits for it is told of a failure; who does not has no use for it.
    this.#settled = this.finished.then(
      () => {},
      () => {},
    );
  }

  /** Ends it and waits until all is cleaned up. Never rejects. */
  close(force: boolean): Promise<void> {
    this.#serving.stop(force);
    return this.#settled;
  }

  #stopOnAbort(scope: Scope): void {
    const { options, abortsByForce } = this.#settings;
    const { signal } = options;
    if (signal === undefined) return;
    const stop = (): void => this.#serving.stop(abortsByForce);
    signal.addEventListener('abort', stop, { once: true });
    scope.defer(() => signal.removeEventListener('abort', stop));
    if (signal.aborted) stop(); // It may have been aborted while the service was being started.
  }

  async #run(): Promise<Result> {
    await this.#end();
    const result = await this.#settings.result();
    this.#keep = 'images';
    return result;
  }

  /** Waits for criu's end, and throws unless that was a success. */
  async #end(): Promise<void> {
    const { operation, options, directories, logFile, stage } = this.#settings;
    const outcome = await this.#serving.done;
    if (outcome.stopped) throw abortError(options.signal?.reason, stage());
    const { failure, exitCode, exitSignal } = outcome;
    if (!failure && exitCode === 0 && exitSignal === 0) return;
    const openLogFile = `/proc/self/fd/${directories.work}/${options.logFile}`;
    const log = await readExcerpt(openLogFile).catch(() => excerpt(''));
    throw requestFailure(
      operation,
      { ...withoutRequest, ...outcome, replied: exitSignal === 0, stage: stage() },
      log,
      outcome.started ? logFile : undefined,
    );
  }
}

/** What an outcome has that tells of CRIU's answer, for a criu that gets no request. */
const withoutRequest = {
  replied: true,
  errno: 0,
  message: '',
  stage: 'spawn' as const,
  printed: '',
  exitCode: 0,
  exitSignal: 0,
};

function startServing(settings: ServiceSettings<unknown>): NativeServing {
  try {
    return nativeAddon().serve(serveRequest(settings), settings.onReady);
  } catch (error) {
    const failure = nativeFailureOf(error);
    if (failure === undefined) throw error;
    throw requestFailure(settings.operation, { ...withoutRequest, failure });
  }
}

function serveRequest(settings: ServiceSettings<unknown>): NativeServeRequest {
  const { program, options, directories, listen } = settings;
  const { binary, environment } = program;
  const inCriu = (index: number): string => `/proc/self/fd/${firstDirectoryFd + index}`;
  return {
    binary,
    arguments: [
      binary,
      ...settings.arguments,
      // It gets what they say by its environment.
      '--no-default-config',
      ...['--images-dir', inCriu(0), '--work-dir', inCriu(1)],
      ...['--log-file', options.logFile, `-v${options.logLevel}`],
      ...tlsFlags(options),
    ],
    environment,
    held: [directories.images, directories.work],
    ...listen,
  };
}

function tlsFlags(options: PageServerOptions & LazyPagesOptions): string[] {
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
