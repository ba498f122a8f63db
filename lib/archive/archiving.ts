import { closeSync, existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Writable } from 'node:stream';
import type { Deadline } from '../base/deadline.js';
import { CriuError, reason, withNote } from '../base/errors.js';
import type { Scope } from '../base/scope.js';
import {
  type CheckpointResult,
  type CheckpointSettings,
  type Companion,
  endsContainer,
} from '../container/checkpoint.js';
import { engineOf } from '../container/engines/identify.js';
import type { ContainerState } from '../container/state/container.js';
import type { HookEvent } from '../criu/hooks.js';
import { realHost } from '../linux/host.js';
import type { Compression } from './compression.js';
import { requireContainerds } from './containerd-image.js';
import type { Contents } from './contents.js';
import { writeFailure } from './failure.js';
import { members } from './members.js';
import { type Metadata, metadataOf, volumesOf } from './metadata-of.js';
import { openLayer, openOverlay } from './overlay.js';
import { StillArchiver } from './still.js';
import { openFileTarget, streamTarget, type Target } from './target.js';
import { compressionOf, temporaryDirectory, writeArchive } from './write.js';

/** What an archive is made of. */
interface Request {
  container: ContainerState;
  settings: CheckpointSettings;
  /** Whether the caller has said where the images go: there they stay. */
  hasImages: boolean;
  deadline: Deadline;
  scope: Scope;
}

/** What is archived of a container's files, and under which name. */
interface StillPart {
  member: string;
  archiver: StillArchiver;
}

/** The image that CRIU writes last. */
const inventory = 'inventory.img';
/** Where engines keep the `/dev/shm` of a container outside of it. */
const ownShm = /\/(?:userdata|mounts)\/shm$/;

/**
 * The archive of a container that is being checkpointed. Its files are read while it stands still. One
 * that ends is archived whole by then, so that it runs on if that fails; of one that runs on the rest is
 * written afterwards, for it is to stand still no longer than it must.
 */
export class Archiving implements Companion {
  readonly #request: Request;
  readonly #target: Target;
  readonly #compression: Compression;
  readonly #scratch: string;
  readonly #metadata: Metadata;
  readonly #parts: readonly StillPart[];
  readonly #warnings: string[];
  readonly #directory: OwnDirectory | undefined;
  #still: Contents['still'] = [];
  /** What has made the hook reject. */
  #failure: unknown;

  private constructor(
    request: Request,
    made: {
      target: Target;
      compression: Compression;
      scratch: string;
      metadata: Metadata;
      parts: readonly StillPart[];
      warnings: string[];
      directory: OwnDirectory | undefined;
    },
  ) {
    this.#request = request;
    this.#target = made.target;
    this.#compression = made.compression;
    this.#scratch = made.scratch;
    this.#metadata = made.metadata;
    this.#parts = made.parts;
    this.#warnings = made.warnings;
    this.#directory = made.directory;
  }

  get imagePath(): string | undefined {
    return this.#directory?.path;
  }

  /**
   * Looks at all that can be looked at before the container is touched, and starts what is to read its
   * files.
   *
   * @throws RangeError, CriuError as {@link openFileTarget} does.
   */
  static async prepare(request: Request): Promise<Archiving> {
    const { container, settings, hasImages, deadline, scope } = request;
    const to = settings.export as string | Writable;
    const file = typeof to === 'string' ? to : undefined;
    const compression = compressionOf(file, settings);
    const metadata = await deadline.bound('container', metadataOf(container, realHost));
    if (settings.format === 'containerd') {
      requireContainerds(container.id, { engine: engineOf(container), ...metadata });
    }
    const target =
      typeof to === 'string'
        ? await openFileTarget('export', to, settings.existing !== 'refuse')
        : streamTarget(to);
    scope.defer(() => target.close());
    const scratch = file === undefined ? temporaryDirectory() : dirname(file);
    const directory = hasImages ? undefined : await makeDirectory(request, scratch, file);
    const warnings = [...metadata.warnings];
    const parts = await startParts(request, scratch, warnings);
    return new Archiving(request, {
      target,
      compression,
      scratch,
      metadata,
      parts,
      warnings,
      directory,
    });
  }

  async whileStill(images: string, event: HookEvent): Promise<void> {
    try {
      this.#still = await this.#archiveFiles(event.signal);
      if (endsContainer(this.#request.settings)) await this.#write(images, event.signal);
    } catch (error) {
      this.#failure = error;
      throw error;
    }
  }

  async succeeded(result: CheckpointResult): Promise<CheckpointResult> {
    const { settings, deadline } = this.#request;
    if (!endsContainer(settings)) await this.#write(result.imagePath, deadline.signal);
    await this.#target.keep().catch((error: unknown) => {
      throw this.#withImages(error);
    });
    if (this.#directory) this.#directory.isOfNoUse = true;
    const warnings = [...result.warnings, ...this.#warnings];
    if (this.#directory === undefined) return { ...result, warnings };
    const imagePath = this.#target.path ?? '';
    return { ...result, warnings, imagePath, logFile: settings.workPath ? result.logFile : '' };
  }

  async failed(error: unknown): Promise<unknown> {
    if (!(error instanceof CriuError)) return error;
    const isOurs = error.code === 'ERR_CRIU_VETOED' && error.cause === this.#failure;
    const own = isOurs && this.#failure instanceof CriuError ? this.#failure : error;
    const { operation, stage, log } = error;
    // CRIU's log goes with the directory that was made for this.
    const isGone = this.imagePath !== undefined && !this.#request.settings.workPath;
    return own.with({ operation, stage, log, ...(isGone ? { logFile: undefined } : {}) });
  }

  /** The error of an archive that has failed when the container was gone: its images are kept. */
  #withImages(error: unknown): unknown {
    const { settings, hasImages } = this.#request;
    if (!(error instanceof CriuError) || hasImages || !endsContainer(settings)) return error;
    return withNote(error, `The images are kept in ${this.imagePath ?? ''}`);
  }

  async #archiveFiles(signal: AbortSignal): Promise<Contents['still']> {
    const archived = await Promise.all(
      this.#parts.map(async ({ member, archiver }) => {
        const archive = await archiver.archive(signal).catch((cause: unknown) => {
          throw signal.aborted ? cause : unreadable(this.#request.container.id, cause);
        });
        return { member, archive };
      }),
    );
    for (const { archive } of archived) this.#warnings.push(...archive.notes.map(noted));
    return archived;
  }

  async #write(images: string, signal: AbortSignal): Promise<void> {
    const { settings, deadline } = this.#request;
    const format = settings.format ?? 'tar';
    const made = { target: this.#target, compression: this.#compression, scratch: this.#scratch };
    const contents = { ...this.#metadata, images, still: this.#still };
    try {
      await writeArchive({ ...made, format, signal }, contents, this.#metadata);
    } catch (error) {
      throw signal.aborted ? deadline.error('postDump') : error;
    }
  }
}

/** Starts a program for each part of the container's files. */
async function startParts(
  { container, settings, scope }: Request,
  scratch: string,
  warnings: string[],
): Promise<StillPart[]> {
  const parts: StillPart[] = [];
  const addTree = async (member: string, path: string): Promise<void> => {
    const fd = await openLayer(path);
    scope.defer(() => closeSync(fd));
    const source = { words: ['tree'], descriptors: [fd] };
    parts.push({ member, archiver: await StillArchiver.start(source, scratch, scope) });
  };
  if (settings.ignoreRootfs !== true) {
    const overlay = await openOverlay(container, scope, realHost);
    if (overlay === undefined) {
      warnings.push(
        'What the container has changed in its files is not in the archive: its root file system is no overlay',
      );
    } else {
      const { upper, merged, lower, ownAttributes } = overlay;
      const descriptors = [upper, merged, 'removed', ...lower] as const;
      const source = { words: ['layer', String(lower.length), ownAttributes], descriptors };
      const archiver = await StillArchiver.start(source, scratch, scope);
      parts.push({ member: members.rootfsDiff, archiver });
    }
  }
  const shm = container.mounts.find(
    ({ destination, type }) => destination === '/dev/shm' && type === 'bind',
  );
  const isOwn = shm?.source.includes(`/${container.id}/`);
  if (shm !== undefined && isOwn && ownShm.test(shm.source)) {
    await addTree(members.devShm, shm.source);
  }
  if (settings.ignoreVolumes !== true) {
    for (const { volumeName, source } of volumesOf(container)) {
      await addTree(`${members.volumes}/${volumeName}.tar`, source);
    }
  }
  return parts;
}

/** A directory that was made for the images of one archive. */
interface OwnDirectory {
  readonly path: string;
  /** The images are in the archive. */
  isOfNoUse: boolean;
}

async function makeDirectory(
  { container, scope }: Request,
  scratch: string,
  file: string | undefined,
): Promise<OwnDirectory> {
  const name = basename(file ?? 'libcriu').slice(0, 200);
  const path = await mkdtemp(join(scratch, `.${name}.images.`)).catch((cause: unknown) => {
    throw writeFailure(file ?? 'the stream', cause);
  });
  const directory = { path, isOfNoUse: false };
  scope.defer(async () => {
    // Complete images may be all that is left of a container that has ended.
    const isLost = !existsSync(`/proc/${container.initPid}`) && existsSync(join(path, inventory));
    if (directory.isOfNoUse || !isLost) await rm(path, { recursive: true, force: true });
  });
  return directory;
}

function unreadable(id: string, cause: unknown): CriuError {
  const message = `Cannot archive the files of container ${JSON.stringify(id)}: ${reason(cause)}`;
  return new CriuError('ERR_ARCHIVE_WRITE', message, { cause });
}

function noted(line: string): string {
  return `The archive of the container's files is not exact: ${line.replace(/^tar: /, '')}`;
}
