import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { resolve } from 'node:path';
import { CriuError, inOperation, invalidArgType } from '../base/errors.js';
import { late } from '../base/late.js';
import { checkCount } from '../base/numbers.js';
import { Queue } from '../base/queue.js';
import { nativeAddon } from '../native/addon.js';
import type { NativeRequest, NativeStandby } from '../native/contract.js';
import { nativeFailureOf } from '../native/failure.js';
import type { EnvironmentSettings } from './environment.js';
import type { CriuSettings, Installation, locate as locateCriu } from './locate.js';
import type { CriuFeatures, CriuProgram, CriuVersion } from './program.js';
import type { StagedOutcome } from './stage.js';

/** A program that has imported the package may never ask CRIU for anything. */
const parts = late(() => import('./parts.js'));

/** A search for program and library. */
interface Search {
  /** What of the environment it depended on. */
  environment: string;
  installation: Promise<Installation>;
  /** The same once it is known. */
  found?: Installation;
}

/** A CRIU that can be used. */
export interface ReadyCriu {
  installation: Installation;
  version: CriuVersion;
}

/**
 * Which CRIU is used: program and library, or a service, and how many of its processes are kept
 * ready and run at a time. Every operation takes one as its option `criu`.
 *
 * @example
 * ```ts
 * const criu = new Criu({ prefix: '/opt/criu' });
 * await dump(process.pid, { criu, imagePath: '/tmp/images', leaveRunning: true });
 * ```
 */
export class Criu {
  readonly #settings: CriuSettings;
  #search: Search | undefined;
  /** Whether spare workers and the guard have been started. */
  #isPrepared = false;
  /** Where CRIU's own configuration is kept, as the last look has found it. */
  #config: string | undefined;
  /** The library that was loaded last. None is ever unloaded. */
  #loaded: string | undefined;
  /** Calls of `ready` that have not settled. */
  #pending = 0;
  /** Settles when all calls of `ready` so far have. */
  #readied: Promise<void> = Promise.resolve();
  readonly #workers: number;
  #standby: NativeStandby | undefined;
  #isForLast = false;
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
    return await inOperation('version', async () => (await this.#program()).version(this.#ask));
  }

  /** What CRIU can do with this kernel, asked once per program file. */
  async features(): Promise<CriuFeatures> {
    return await inOperation('features', async () => (await this.#program()).features(this.#ask));
  }

  /**
   * Ends the spare workers of this instance, and the guard unless others need it. Resolves when
   * they have ended, and the criu of an operation that is over, which ends a moment after it; after
   * 5 s at the latest. Operations go on. The workers come back with the next operation, and end by
   * themselves with the process, or when nothing refers to this instance any more.
   */
  async close(): Promise<void> {
    this.#isPrepared = false;
    if (this.#standby !== undefined) await nativeAddon().close(this.#standby);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
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
   * Tells that the next operation is the last one: no worker is kept ready for another. The command ends
   * with it.
   *
   * @internal
   */
  expectLast(): void {
    this.#isForLast = true;
  }

  /** What an operation takes a worker of. @internal */
  get workers(): Pick<NativeRequest, 'standby' | 'isLast'> {
    return { standby: this.standby, ...(this.#isForLast ? { isLast: true } : {}) };
  }

  /**
   * Whether dumps can lock the network by nftables: CRIU is built with it and the kernel has it.
   *
   * @internal
   */
  async hasNftables(installation: Installation): Promise<boolean> {
    const { CriuProgram } = await parts();
    return CriuProgram.of(installation).hasNftables();
  }

  /**
   * Finds program and library and makes sure that they can be used.
   *
   * @param prepares - Whether spare workers and the guard may be started.
   * @internal
   */
  async ready(settings: { prepares?: boolean } = {}): Promise<ReadyCriu> {
    const known = this.#pending === 0 ? this.#known(settings) : undefined;
    if (known !== undefined) return known;
    const before = this.#readied;
    const ready = this.#makeReady(settings);
    // Calls that come together go on in the order in which they came. What they have found is let
    // go of, or each would keep that of all before it.
    const readied = Promise.allSettled([before, ready]).then(() => undefined);
    this.#readied = readied;
    this.#pending += 1;
    await readied;
    this.#pending -= 1;
    return ready;
  }

  /**
   * What {@link ready} has found before, if all that decides on it is as it was. Most calls come to no
   * more than this, which is a large part of what a small dump costs.
   */
  #known({ prepares = true }: { prepares?: boolean }): ReadyCriu | undefined {
    const { environment, found: installation } = this.#search ?? {};
    const loaded = parts.loaded;
    if (loaded === undefined || installation === undefined) return undefined;
    if (environment !== searched()) return undefined;
    const { library, service } = installation;
    const isSimple = service === undefined && !process.env['LIBCRIU_ADDON'];
    const isDone = library === this.#loaded && (this.#isPrepared || !prepares);
    const version =
      isSimple && isDone ? loaded.CriuProgram.find(installation)?.knownVersion : undefined;
    if (version === undefined) return undefined;
    const config = loaded.knownOwnConfig();
    if (config === undefined || loaded.knownEnvironment(config) === undefined) return undefined;
    this.#config = config.config;
    return { installation, version };
  }

  async #makeReady({ prepares = true }: { prepares?: boolean }): Promise<ReadyCriu> {
    const installation = await this.installation();
    const environment = await this.#environment(installation);
    const { CriuProgram } = await parts();
    const program = CriuProgram.of(installation);
    await program.prepare();
    if (prepares) this.#prepare(installation, environment);
    return { installation, version: await program.usableVersion(this.#ask) };
  }

  /**
   * What criu gets of our environment, with the configuration that {@link ready} has checked.
   *
   * @internal
   */
  async environment(settings: EnvironmentSettings = {}): Promise<readonly string[]> {
    const { CriuProgram, criuEnvironment } = await parts();
    const found = this.#search?.found;
    const version = found && CriuProgram.find(found)?.knownVersion;
    return await criuEnvironment({ ...settings, config: this.#config, version });
  }

  /** The same, once it leads criu to nothing that it must not obey. */
  async #environment({ service }: Installation): Promise<readonly string[]> {
    const { keepOwnConfig } = await parts();
    // A service has read its configuration files when it was started.
    this.#config = service === undefined ? await keepOwnConfig() : undefined;
    return this.environment();
  }

  /** Starts what the first operation would have to wait for; each one leaves it for the next. */
  #prepare(installation: Installation, environment: readonly string[]): void {
    if (this.#isPrepared) return;
    this.#isPrepared = true;
    nativeAddon().prepare(this.standby, { ...installation, environment });
  }

  /** @internal */
  async installation(): Promise<Installation> {
    const { locate, requireTrustedAddon } = await parts();
    const installation = await this.#locate(locate);
    await requireTrustedAddon();
    this.#load(installation.library);
    return installation;
  }

  #load(library: string): void {
    if (library === this.#loaded) return;
    try {
      nativeAddon().loadLibrary(library);
    } catch (cause) {
      const failure = nativeFailureOf(cause);
      if (failure?.stage !== 'library') throw cause;
      throw new CriuError(
        'ERR_CRIU_LIBRARY_NOT_FOUND',
        `Cannot load ${library}: ${failure.message}`,
        { cause },
      );
    }
    this.#loaded = library;
  }

  /** @internal */
  async request(verb: NativeRequest['verb']): Promise<StagedOutcome> {
    const installation = await this.installation();
    const { done } = nativeAddon().start({
      verb,
      ...installation,
      environment: await this.#environment(installation),
      standby: this.standby,
      fields: {},
    });
    const { toOutcome } = await parts();
    return toOutcome(await done);
  }

  readonly #ask = async (verb: 'check' | 'version' | 'features'): Promise<StagedOutcome> => {
    const outcome = await this.request(verb);
    if (outcome.success) return outcome;
    const { requestFailure } = await parts();
    throw requestFailure(verb, outcome);
  };

  async #program(): Promise<CriuProgram> {
    const installation = await this.installation();
    const { CriuProgram } = await parts();
    return CriuProgram.of(installation);
  }

  /**
   * Looks again when the environment has changed or the program is gone. Calls that come together
   * share one search, so that none overtakes another.
   */
  #locate(locate: typeof locateCriu): Promise<Installation> {
    const environment = searched();
    const before = this.#search;
    const found = before?.found;
    const isThere = found === undefined || existsSync(found.service ?? found.binary);
    if (before?.environment === environment && isThere) return before.installation;
    const search: Search = { environment, installation: locate(this.#settings) };
    this.#search = search;
    search.installation.then(
      (found) => {
        search.found = found;
      },
      () => {
        if (this.#search === search) this.#search = undefined;
      },
    );
    return search.installation;
  }
}

/** What of our environment decides on where program and library are looked for. */
function searched(): string {
  return `${process.env['LIBCRIU_PREFIX']}:${process.env['PATH']}`;
}

const sharedQueue = new Queue(availableParallelism());
let shared: Criu | undefined;

/** The {@link Criu} that the package's functions use. */
export function defaultCriu(): Criu {
  shared ??= new Criu();
  return shared;
}
