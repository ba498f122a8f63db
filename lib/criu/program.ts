import { statSync } from 'node:fs';
import { release } from 'node:os';
import { CriuError } from '../base/errors.js';
import { nativeAddon } from '../native/addon.js';
import { makeKernelDataDirectory } from './kernel-data.js';
import type { Installation } from './locate.js';
import { type ProgramFile, readProgramFile } from './program-file.js';
import type { StagedOutcome } from './stage.js';

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

/** Puts a question to the program. Rejects when it is not answered. */
type Ask = (verb: 'version' | 'features') => Promise<StagedOutcome>;

/** A fact that is found out when it is needed first, and anew after a failure: that may pass. */
class Fact<T> {
  #value: Promise<T> | undefined;

  async get(findOut: () => Promise<T>): Promise<T> {
    this.#value ??= findOut().catch((error: unknown) => {
      this.#value = undefined;
      throw error;
    });
    return this.#value;
  }
}

/**
 * What is known of one criu program, or of a criu service, on this kernel: for all instances of
 * `Criu` that use it, and for as long as its file stays the same.
 */
export class CriuProgram {
  static readonly #programs: Map<string, CriuProgram> = new Map();
  readonly #installation: Installation;
  readonly #version: Fact<CriuVersion> = new Fact();
  readonly #usable: Fact<CriuVersion> = new Fact();
  #knownVersion: CriuVersion | undefined;
  readonly #features: Fact<CriuFeatures> = new Fact();
  readonly #nftables: Fact<boolean> = new Fact();
  readonly #kernelData: Fact<void> = new Fact();
  readonly #file: Fact<ProgramFile> = new Fact();

  private constructor(installation: Installation) {
    this.#installation = installation;
  }

  /** @throws CriuError `ERR_CRIU_NOT_FOUND` when there is no such file. */
  static of(installation: Installation): CriuProgram {
    const program = CriuProgram.find(installation);
    if (program) return program;
    const path = installation.service ?? installation.binary;
    throw new CriuError('ERR_CRIU_NOT_FOUND', `No criu at ${path}`);
  }

  /** @returns undefined when there is no such file. */
  static find(installation: Installation): CriuProgram | undefined {
    const path = installation.service ?? installation.binary;
    const file = statSync(path, { throwIfNoEntry: false });
    if (!file) return undefined;
    const key = `${path} ${file.dev} ${file.ino} ${file.mtimeMs} ${file.size}`;
    let program = CriuProgram.#programs.get(key);
    if (!program) {
      program = new CriuProgram(installation);
      CriuProgram.#programs.set(key, program);
    }
    return program;
  }

  /** @throws CriuError when it cannot be asked. */
  version(ask: Ask): Promise<CriuVersion> {
    return this.#version.get(() => askVersion(ask));
  }

  /** @throws CriuError when it cannot be asked. */
  features(ask: Ask): Promise<CriuFeatures> {
    return this.#features.get(() => askFeatures(ask));
  }

  /** Makes what criu looks for when it starts. */
  async prepare(): Promise<void> {
    if (this.#installation.service !== undefined) return;
    await this.#kernelData.get(async () => {
      const directory = (await this.#readFile())?.kernelDataDirectory;
      if (directory !== undefined) await makeKernelDataDirectory(directory);
    });
  }

  /** What its file tells; undefined where that cannot be read. */
  async #readFile(): Promise<ProgramFile | undefined> {
    return await this.#file
      .get(() => readProgramFile(this.#installation.binary))
      .catch(() => undefined);
  }

  /**
   * The version of one that is new enough.
   *
   * @throws CriuError `ERR_CRIU_TOO_OLD`, or when it cannot be asked.
   */
  usableVersion(ask: Ask): Promise<CriuVersion> {
    return this.#usable.get(async () => {
      const version = await this.version(ask);
      refuseTooOld(version, this.#installation.binary);
      this.#knownVersion = version;
      return version;
    });
  }

  /** The same once it is known. */
  get knownVersion(): CriuVersion | undefined {
    return this.#knownVersion;
  }

  /** Whether it can lock the network by nftables: it is built with it and the kernel has it. */
  async hasNftables(): Promise<boolean> {
    if (this.#installation.service !== undefined) return false; // There is no program to look into.
    return this.#nftables.get(async () => {
      const links = (await this.#readFile())?.linksNftables === true;
      return links && nativeAddon().hasNftables();
    });
  }
}

async function askVersion(ask: Ask): Promise<CriuVersion> {
  const { version } = await ask('version');
  return {
    major: version?.major ?? 0,
    minor: version?.minor ?? 0,
    sublevel: version?.sublevel ?? 0,
    ...(version?.gitId ? { gitId: version.gitId } : {}),
    ...(version?.name ? { name: version.name } : {}),
  };
}

async function askFeatures(ask: Ask): Promise<CriuFeatures> {
  const { features } = await ask('features');
  return {
    memTrack: features?.memTrack ?? false,
    lazyPages: features?.lazyPages ?? false,
    pidfdStore: features?.pidfdStore ?? false,
  };
}

function refuseTooOld(version: CriuVersion, binary: string): void {
  const why = tooOld(version);
  if (why === undefined) return;
  const criu = `criu ${version.major}.${version.minor} at ${binary}`;
  throw new CriuError('ERR_CRIU_TOO_OLD', `${criu} ${why}`);
}

/** Why a CRIU cannot be used here: `is too old ...`; undefined where it can. */
export function tooOld(version: CriuVersion): string | undefined {
  if (isOlder(version, oldest)) return 'is too old: 3.16 or newer is needed';
  const kernel = release();
  const [major = 0, minor = 0] = kernel.split('.').map(Number);
  const isNewKernel = !isOlder({ major, minor }, newKernel);
  if (!isNewKernel || !isOlder(version, oldestOnNewKernels)) return undefined;
  return `is too old for kernel ${kernel}: 4.1 or newer is needed`;
}

/** A version as CRIU writes it: `4.2`, `4.2.1`. */
export function versionText({ major, minor, sublevel }: CriuVersion): string {
  return [major, minor, ...(sublevel === 0 ? [] : [sublevel])].join('.');
}

/** Whether one version of CRIU or of the kernel is older than another. */
export function isOlder(
  version: { major: number; minor: number },
  than: { major: number; minor: number },
): boolean {
  return version.major < than.major || (version.major === than.major && version.minor < than.minor);
}
