import { nativeFile } from '../native/addon.js';

/** The variable by which `libcriu run --snapshot` says where the images are to go. */
export const snapshotVariable = 'LIBCRIU_SNAPSHOT';

/** What a program needs in its environment to be checkpointed into a directory. */
export function snapshotEnvironment(directory: string): Record<string, string> {
  const { LD_PRELOAD } = process.env;
  const preloaded = LD_PRELOAD ? [LD_PRELOAD] : [];
  return {
    [snapshotVariable]: directory,
    // This keeps Node.js 20 from making an io_uring. Newer versions make one nevertheless.
    UV_USE_IO_URING: '0',
    LD_PRELOAD: [nativeFile('criu_no_io_uring.so'), ...preloaded].join(' '),
  };
}
