import type { Writable } from 'node:stream';
import type { CheckpointOptions } from '../options/types.js';

/** Options of `exportCheckpoint()`. */
export interface ExportOptions
  extends Pick<CheckpointOptions, 'format' | 'compression' | 'existing' | 'timeoutMs' | 'signal'> {
  /**
   * Directory of the container's config.json. It is needed where the container is gone.
   *
   * @defaultValue that of the container
   */
  bundle?: string | undefined;
  /**
   * Name that the container has in the archive.
   *
   * @defaultValue the container's own, or its id
   */
  name?: string | undefined;
  /**
   * Image that the container was made of, as in `docker.io/library/redis:7`.
   *
   * @defaultValue what the engine's files tell
   */
  image?: string | undefined;
  /**
   * Id of that image, 64 hexadecimal digits, as `podman images --no-trunc` shows it. podman needs it.
   *
   * @defaultValue what the engine's files tell
   */
  imageId?: string | undefined;
}

/** What the export of images has to tell. */
export interface ExportResult {
  /** Absolute path of the archive; empty when it went into a stream. */
  archive: string;
  /** What is not in the archive, a sentence each. */
  warnings: readonly string[];
  /** Milliseconds from the call to its end. */
  durationMs: number;
}

/** The arguments of an export, once they are checked: paths are absolute. */
export interface CheckedExport extends ExportOptions {
  imagePath: string;
  to: string | Writable;
}
