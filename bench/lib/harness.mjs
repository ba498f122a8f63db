// @ts-check
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { run } from '../../tools/process.mjs';

const sources = join(import.meta.dirname, '../harness');

/**
 * Compiles a program of the bench.
 *
 * @param {string} output absolute path
 * @param {readonly string[]} files absolute paths
 * @param {readonly string[]} [flags]
 */
export async function compile(output, files, flags = []) {
  await run('gcc', ['-O2', '-Wall', ...flags, '-o', output, ...files, '-ldl']);
  return output;
}

/** @param {string} directory */
export async function compileHarness(directory) {
  const files = ['harness.c', 'libcriu.c', 'freezer.c', 'transfer.c'].map((name) =>
    join(sources, name),
  );
  return compile(join(directory, 'harness'), files);
}

/**
 * A program that runs in containers, where there is no library.
 *
 * @param {'ticker' | 'connections'} name
 * @param {string} directory
 */
export async function compileForContainers(name, directory) {
  return compile(join(directory, name), [join(sources, `${name}.c`)], ['-static']);
}

/**
 * The C program that does what we are measured against; see harness.c. Its figures are in
 * milliseconds and hold neither a start of its own nor anything of Node.js.
 */
export class Harness {
  #child;
  /** @type {((line: string) => void) | undefined} */
  #answer;
  #ended;

  /**
   * @param {string} program
   * @param {{binary: string, library: string}} installation
   * @param {NodeJS.ProcessEnv} environment
   */
  constructor(program, { binary, library }, environment) {
    // A session of its own, or a Ctrl-C would end what runs in it half-way.
    this.#child = spawn(program, [binary, library], {
      env: environment,
      detached: true,
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    createInterface({ input: this.#child.stdout }).on('line', (line) => this.#answer?.(line));
    this.#ended = new Promise((resolve) => {
      this.#child.once('error', resolve);
      this.#child.once('close', resolve);
    });
    void this.#ended.then(() => this.#answer?.('error the harness has ended'));
  }

  /**
   * @param {...(string | number)} words
   * @returns {Promise<number>} milliseconds
   */
  async command(...words) {
    /** @type {Promise<string>} */
    const answered = new Promise((resolve) => {
      this.#answer = resolve;
    });
    this.#child.stdin.write(`${words.join('\t')}\n`);
    const [status, ...rest] = (await answered).split(' ');
    if (status !== 'ok') {
      throw new Error(`harness: ${words[0]}: ${rest.join(' ')}`);
    }
    return Number(rest[0]) / 1e6;
  }

  async close() {
    this.#child.stdin.end();
    await this.#ended;
  }
}
