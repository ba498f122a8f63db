import type { CheckpointInfo } from './info.js';
import type { ReadingOptions } from './options.js';

/** A checkpoint that is held open. It is read again whenever something of it is asked for. */
export interface Checkpoint extends AsyncDisposable {
  /** What it says of itself. */
  readonly info: CheckpointInfo;
  /**
   * Unpacks it, whatever form it has, as podman has it in its archives: `checkpoint/` with the images,
   * and beside it, as far as they are there, `spec.dump`, `config.dump`, `rootfs-diff.tar`,
   * `deleted.files` and so on. Files have mode 0600 and directories 0700.
   *
   * @param directory - An empty one, or one that is to be made. After a failure it is as it was.
   * @returns the absolute path of the directory with the images.
   * @throws CriuError `ERR_CHECKPOINT_ARCHIVE`, `ERR_UNTRUSTED_PATH`
   */
  extract(directory: string, options?: ReadingOptions): Promise<string>;
  /** Closes it. */
  close(): Promise<void>;
}
