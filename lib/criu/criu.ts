import { existsSync, statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { availableParallelism, release } from 'node:os';
import { resolve } from 'node:path';
import { CriuError, inOperation, invalidArgType, type Operation } from '../base/errors.js';
import { checkCount } from '../base/numbers.js';
import { Queue } from '../base/queue.js';
import { nativeAddon } from '../native/addon.js';
import type { NativeRequest, NativeStandby } from '../native/contract.js';
import { criuEnvironment } from './environment.js';
import { type CriuSettings, type Installation, locate } from './locate.js';
import { requestFailure } from './request-failure.js';
import { type StagedOutcome, withStage } from './stage.js';

/** The version of the criu program. */
export interface CriuVersion {
  major: number;
  minor: number;
  sublevel: number;
  /** Of a build from CRIU's git, what `git describe` said. */
  gitId?: string;
  /** The release's name, where it has one. */
  name?: string;
}

/** What CRIU can do with this kernel. */
export interface CriuFeatures {
  /** Memory tracking (soft-dirty): pre-dump and `parentPath`. */
  memTrack: boolean;
  /** userfaultfd: `lazyPages`. */
  lazyPages: boolean;
  /** pidfd_open and pidfd_getfd: safe detection of re-used pids in iterative dumps. */
  pidfdStore: boolean;
}

/** The oldest CRIU that this package works with, and the oldest for kernels with rseq changes. */
const oldest = { major: 3, minor: 16 };
const oldestOnNewKernels = { major: 4, minor: 1 };
const newKernel = { major: 6, minor: 13 };

/** Knowledge of one criu program on this kernel, for as long as the file stays the same. */
interface Known {
  version: Promise<CriuVersion>;
  /** Rejects when it is too old. */
  usable?: Promise<void>;
  features?: Promise<CriuFeatures>;
  nftables?: Promise<boolean>;
}
const known = new Map<string, Known>();

/** Where program and library were found. */
interface Found {
  environment: string;
  installation: Promise<Installation>;
  /** Once it is known. */
  program?: string;
}

/**
 * One CRIU: which program and library are used. Every operation takes one as its option `criu`.
 *
 * @example
 * ```ts
 * const criu = new Criu({ prefix: '/opt/criu' });
 * await dump(process.pid, { criu, imagePath: '/tmp/images', leaveRunning: true });
 * ```
 */
export class Criu {
  readonly #settings: CriuSettings;
  #found: Found | undefined;
  readonly #workers: number;
  #standby: NativeStandby | undefined;
  #isPrepared = false;
  /** @internal */
  readonly queue: Queue;

  /**
   * @param settings - See {@link CriuSettings} for where it looks without paths.
   * @throws TypeError, RangeError for a setting of the wrong type or out of range.
   */
  constructor(settings: CriuSettings = {}) {
    const { prefix, binary, library, service } = settings;
    for (const [name, value] of Object.entries({ prefix, binary, library, service })) {
      if (value !== undefined && (typeof value !== 'string' || value === '')) {
        throw invalidArgType(name, 'a path', value);
      }
    }
    this.#settings = {
      ...(prefix === undefined ? {} : { prefix: resolve(prefix) }),
      ...(binary === undefined ? {} : { binary: resolve(binary) }),
      ...(library === undefined ? {} : { library }),
      ...(service === undefined ? {} : { service: resolve(service) }),
    };
    this.#workers = checkCount('workers', settings.workers, 0, availableParallelism()) ?? 1;
    const concurrency = checkCount('concurrency', settings.concurrency, 1, 1024);
    this.queue = concurrency === undefined ? sharedQueue : new Queue(concurrency);
  }

  /**
   * Asks CRIU whether this kernel has all that it needs, as `criu check` does.
   *
   * @throws CriuError `ERR_CRIU_FAILED` with what is missing.
   */
  async check(): Promise<void> {
    await inOperation('check', () => this.#ask('check'));
  }

  /** The version of the criu program, asked once per program file. */
  async version(): Promise<CriuVersion> {
    return await inOperation('version', async () => this.#known(await this.installation()).version);
  }

  /** What CRIU can do with this kernel, asked once per program file. */
  async features(): Promise<CriuFeatures> {
    return await inOperation('features', () => this.#features());
  }

  async #features(): Promise<CriuFeatures> {
    const entry = this.#known(await this.installation());
    entry.features ??= this.#ask('features').then(({ features }) => ({
      memTrack: features?.memTrack ?? false,
      lazyPages: features?.lazyPages ?? false,
      pidfdStore: features?.pidfdStore ?? false,
    }));
    // As with the version, a failure is not remembered.
    entry.features.catch(() => delete entry.features);
    return entry.features;
  }

  /**
   * Ends the spare workers of this instance, and the guard unless others need it. Resolves when they
   * have ended, and the criu of an operation that is over, which ends a moment after it; after 5 s at
   * the latest. Operations go on. The workers come back with the next operation, and end by
   * themselves with the process, or when nothing refers to this instance any more.
   */
  async close(): Promise<void> {
    this.#isPrepared = false;
    if (this.#standby !== undefined) await nativeAddon().close(this.#standby);
  }

  /**
   * The spare workers of this instance, none of which is started by asking.
   *
   * @internal
   */
  get standby(): NativeStandby {
    this.#standby ??= nativeAddon().createStandby(this.#workers);
    return this.#standby;
  }

  /**
   * Whether dumps can lock the network by nftables: CRIU is built with it and the kernel has it.
   *
   * @internal
   */
  async hasNftables(installation: Installation): Promise<boolean> {
    if (installation.service !== undefined) return false; // nothing to look into
    const entry = this.#known(installation);
    entry.nftables ??= readFile(installation.binary).then(
      (program) => program.includes('libnftables.so') && nativeAddon().hasNftables(),
      () => false,
    );
    return entry.nftables;
  }

  /**
   * Finds program and library and makes sure that they can be used.
   *
   * @param prepares - Whether spare workers and the guard may be started.
   * @internal
   */
  async ready({ prepares = true }: { prepares?: boolean } = {}): Promise<Installation> {
    const installation = await this.installation();
    if (prepares && !this.#isPrepared) {
      // From here on each operation leaves behind what the next one needs.
      this.#isPrepared = true;
      nativeAddon().prepare(this.standby, { ...installation, environment: criuEnvironment() });
    }
    const entry = this.#known(installation);
    entry.usable ??= entry.version.then((version) => checkVersion(version, installation));
    await entry.usable;
    return installation;
  }

  /** @internal */
  async installation(): Promise<Installation> {
    const found = await this.#locate();
    try {
      nativeAddon().loadLibrary(found.library);
    } catch (cause) {
      if (cause instanceof CriuError) throw cause;
      throw new CriuError(
        'ERR_CRIU_LIBRARY_NOT_FOUND',
        `Cannot load ${found.library}: ${(cause as Error).message}`,
        { cause },
      );
    }
    return found;
  }

  /** @internal */
  async request(verb: NativeRequest['verb']): Promise<StagedOutcome> {
    const installation = await this.installation();
    const { done } = nativeAddon().start({
      verb,
      ...installation,
      environment: criuEnvironment(),
      standby: this.standby,
      fields: {},
    });
    return withStage(await done);
  }

  /**
   * Looks again when the environment has changed or the program is gone. Calls that come together
   * share one look, so that none overtakes another.
   */
  #locate(): Promise<Installation> {
    const environment = `${process.env['LIBCRIU_PREFIX']}:${process.env['PATH']}`;
    const before = this.#found;
    const isThere = before?.program === undefined || existsSync(before.program);
    if (before?.environment === environment && isThere) return before.installation;
    const found: Found = { environment, installation: locate(this.#settings) };
    this.#found = found;
    found.installation.then(
      ({ service, binary }) => {
        found.program = service ?? binary;
      },
      () => {
        if (this.#found === found) this.#found = undefined;
      },
    );
    return found.installation;
  }

  async #ask(verb: 'check' | 'version' | 'features'): Promise<StagedOutcome> {
    const outcome = await this.request(verb);
    if (!outcome.success) throw requestFailure(verb, outcome);
    return outcome;
  }

  #known({ binary, service }: Installation): Known {
    const path = service ?? binary;
    const file = statSync(path, { throwIfNoEntry: false });
    if (!file) throw new CriuError('ERR_CRIU_NOT_FOUND', `No criu at ${path}`);
    const key = `${path} ${file.dev} ${file.ino} ${file.mtimeMs} ${file.size}`;
    let entry = known.get(key);
    if (!entry) {
      const version = this.#ask('version').then(({ version }) => ({
        major: version?.major ?? 0,
        minor: version?.minor ?? 0,
        sublevel: version?.sublevel ?? 0,
        ...(version?.gitId ? { gitId: version.gitId } : {}),
        ...(version?.name ? { name: version.name } : {}),
      }));
      entry = { version };
      known.set(key, entry);
      // A failure may pass (no memory, a limit), so it is not remembered.
      version.catch(() => known.delete(key));
    }
    return entry;
  }
}

function checkVersion(version: CriuVersion, { binary }: Installation): void {
  const criu = `criu ${version.major}.${version.minor} at ${binary}`;
  if (older(version, oldest)) {
    throw new CriuError('ERR_CRIU_TOO_OLD', `${criu} is too old: 3.16 or newer is needed`);
  }
  const kernel = release();
  const [major = 0, minor = 0] = kernel.split('.').map(Number);
  if (!older({ major, minor }, newKernel) && older(version, oldestOnNewKernels)) {
    throw new CriuError(
      'ERR_CRIU_TOO_OLD',
      `${criu} is too old for kernel ${kernel}: 4.1 or newer is needed`,
    );
  }
}

const sharedQueue = new Queue(availableParallelism());
let shared: Criu | undefined;

/** The {@link Criu} that the package's functions use. */
export function defaultCriu(): Criu {
  shared ??= new Criu();
  return shared;
}

function older(
  version: { major: number; minor: number },
  than: { major: number; minor: number },
): boolean {
  return version.major < than.major || (version.major === than.major && version.minor < than.minor);
}

/** Before anything else is looked at. */
export function requireRoot(operation: Operation): void {
  if (process.geteuid?.() === 0) return;
  throw new CriuError('ERR_CRIU_PERMISSION', `Only root can ${operation} (CRIU traces processes)`, {
    operation,
  });
}
