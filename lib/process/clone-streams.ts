import { closeSync, openSync } from 'node:fs';
import { Socket } from 'node:net';
import type { Readable, Writable } from 'node:stream';
import { CriuError, reason } from '../base/errors.js';
import type { Scope } from '../base/scope.js';
import { option, sentence } from '../base/sentence.js';
import type { OutputDirectory } from '../images/directory.js';
import { streamResource, withStreams } from '../images/streams.js';
import { viewOf } from '../images/view.js';
import { nativeAddon } from '../native/addon.js';
import type { InheritedFd } from '../options/inherited-fd.js';
import type { CheckedStdio } from '../options/stdio.js';

/** Our ends of the pipes that a clone has as its standard streams; null for what is none. */
export interface CloneStreams {
  stdin: Writable | null;
  stdout: Readable | null;
  stderr: Readable | null;
}

/** The standard streams of a clone that is to be restored. */
export interface OpenedStreams {
  /** What the clone gets. */
  inherited: readonly InheritedFd[];
  /** A descriptor of the images in which these are the streams; undefined where none is replaced. */
  images: number | undefined;
  /** Gives our ends, which are the caller's from then on. To be called once, after the restore. */
  take(): CloneStreams;
}

/**
 * Opens what a clone gets as its standard streams.
 *
 * @param scope - Closes at its end what is opened, but for the ends that were taken.
 * @throws CriuError `ERR_CRIU_IMAGES_DIR` for images that cannot be read.
 */
export async function openStreams(
  stdio: CheckedStdio,
  images: OutputDirectory,
  scope: Scope,
): Promise<OpenedStreams> {
  const pipes = new Map<number, number>();
  const view = stdio.length === 0 ? undefined : await viewWith(stdio, images, scope);
  const inherited = stdio.map(({ fd, from }) => {
    const isNonBlocking = view?.nonBlocking.has(fd) === true;
    const opened = openStream({ fd, from, isNonBlocking }, pipes, scope);
    return { fd: opened, resource: streamResource(fd) };
  });
  return {
    inherited,
    images: view?.images,
    take: () => ({
      stdin: socketOf(pipes.get(0), 'writable'),
      stdout: socketOf(pipes.get(1), 'readable'),
      stderr: socketOf(pipes.get(2), 'readable'),
    }),
  };
}

/** The clone's descriptor. Our end of a pipe is added to `pipes`. */
function openStream(
  { fd, from, isNonBlocking }: CheckedStdio[number] & { isNonBlocking: boolean },
  pipes: Map<number, number>,
  scope: Scope,
): number {
  if (typeof from === 'number') return from;
  if (from === 'inherit') return fd;
  if (from === 'ignore') {
    const opened = openSync('/dev/null', 'r+');
    scope.defer(() => closeSync(opened));
    return opened;
  }
  const addon = nativeAddon();
  const ends = addon.makePipe(isNonBlocking);
  for (const end of ends) scope.defer(() => addon.closeDescriptor(end));
  const [reader, writer] = ends;
  pipes.set(fd, fd === 0 ? writer : reader);
  return fd === 0 ? reader : writer;
}

async function viewWith(
  stdio: CheckedStdio,
  images: OutputDirectory,
  scope: Scope,
): Promise<{ images: number; nonBlocking: ReadonlySet<number> }> {
  try {
    const streams = stdio.map(({ fd }) => fd);
    const { images: changed, nonBlocking } = await withStreams(images.file('.'), streams);
    return { images: await viewOf(images, changed, scope), nonBlocking };
  } catch (cause) {
    throw new CriuError(
      'ERR_CRIU_IMAGES_DIR',
      sentence`Cannot replace the standard streams by ${option('stdio')} in the images in ${images.path}:
        ${reason(cause)}`,
      { cause },
    );
  }
}

function socketOf(fd: number | undefined, side: 'readable' | 'writable'): Socket | null {
  if (fd === undefined) return null;
  // The copy is the stream's to close.
  const own = nativeAddon().duplicate(fd);
  return new Socket({ fd: own, readable: side === 'readable', writable: side === 'writable' });
}
