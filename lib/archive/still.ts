import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, constants, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { openFd, readFile } from '../base/files.js';
import type { Scope } from '../base/scope.js';
import { nativeFile } from '../native/addon.js';

/** How much of what the program says is kept. */
const maxReport = 16 * 1024;

/** What is to be archived while the container stands still. */
export interface StillSource {
  /** `tree`, or `layer`, the number of lower directories and how the overlay's attributes begin. */
  readonly words: readonly string[];
  /** The open directories that the program gets, from descriptor 3 on; `'removed'` stands for a file. */
  readonly descriptors: readonly (number | 'removed')[];
}

/** What was archived. */
export interface StillArchive {
  /** An open file, which has no name. */
  readonly fd: number;
  /** The absolute paths that are not there any more. */
  readonly removed: readonly string[];
  /** What could not be archived, a line each. */
  readonly notes: readonly string[];
}

/**
 * A program that archives a directory when it is told to. It is started beforehand, so that while the
 * container stands still nothing has to be started, which takes long for a process as large as this.
 */
export class StillArchiver {
  readonly #child: ChildProcess;
  readonly #ended: Promise<number | string>;
  readonly #fd: number;
  readonly #removed: number;
  #report = '';

  private constructor(child: ChildProcess, fd: number, removed: number) {
    this.#child = child;
    this.#fd = fd;
    this.#removed = removed;
    this.#ended = new Promise((resolve, reject) => {
      child.on('error', reject);
      child.on('close', (code, signal) => resolve(signal ?? code ?? 0));
    });
    this.#ended.catch(() => {}); // whoever waits for it is told
    child.stdin?.on('error', () => {});
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#report = (this.#report + text).slice(0, maxReport);
    });
  }

  /**
   * Starts the program.
   *
   * @param scratch - The directory in which the archive is kept.
   * @param scope - Ends the program, and closes the files.
   */
  static async start(source: StillSource, scratch: string, scope: Scope): Promise<StillArchiver> {
    const fd = await openNameless(scratch, scope);
    const removed = await openNameless(scratch, scope);
    const program = nativeFile('criu_layer');
    const inherited = source.descriptors.map((one) => (one === 'removed' ? removed : one));
    const child = spawn(program, source.words, {
      stdio: ['pipe', fd, 'pipe', ...inherited],
      env: {},
    });
    const archiver = new StillArchiver(child, fd, removed);
    scope.defer(() => archiver.#end());
    return archiver;
  }

  /**
   * Has it archive.
   *
   * @param signal - Gives it up.
   * @throws Error that says what could not be read or written.
   */
  async archive(signal?: AbortSignal): Promise<StillArchive> {
    const kill = (): void => {
      this.#child.kill('SIGKILL');
    };
    signal?.addEventListener('abort', kill, { once: true });
    try {
      if (signal?.aborted) kill();
      this.#child.stdin?.end('\n');
      const status = await this.#ended;
      signal?.throwIfAborted();
      const lines = this.#report.split('\n').filter((line) => line !== '' && !isOfNoUse(line));
      // 1: what was read has changed meanwhile, which somebody outside of the container can do.
      if (status !== 0 && status !== 1) {
        throw new Error(lines.at(-1) ?? `criu_layer ended with ${status}`);
      }
      const text = await readFile(`/proc/self/fd/${this.#removed}`, 'utf8');
      const removed = text.split('\0').filter((path) => path !== '');
      return { fd: this.#fd, removed, notes: lines };
    } finally {
      signal?.removeEventListener('abort', kill);
    }
  }

  async #end(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#ended.catch(() => {});
  }
}

/** The other end of a socket is gone at a restore, whatever is in the archive. */
function isOfNoUse(line: string): boolean {
  return line.endsWith(': socket ignored') || line.startsWith('tar: Missing links to');
}

/** Makes a file that is gone when it is closed. */
export async function openNameless(directory: string, scope: Scope): Promise<number> {
  const { O_RDWR, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;
  const unique = `${process.pid}.${process.hrtime.bigint().toString(36)}`;
  const path = join(directory, `.libcriu.${unique}`);
  const fd = await openFd(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
  scope.defer(() => closeSync(fd));
  unlinkSync(path);
  return fd;
}
