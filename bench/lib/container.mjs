// @ts-check
import {
  closeSync,
  existsSync,
  openSync,
  readFileSync,
  readSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { copyFile, mkdir, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { capture, run, StepError } from '../../tools/process.mjs';
import { until } from './workload.mjs';

/** @typedef {import('./context.mjs').Context} Context */
/** @typedef {import('./scope.mjs').Scope} Scope */

/**
 * Forks without end, as a container at work does: where all tasks sleep, CRIU is often spared its
 * wait of 100 ms for a cgroup to freeze, and with it runc. Writes to a tmpfs only: no file of the
 * root filesystem changes, so that images stay good to restore from. The ticker tells how long the
 * container stood still.
 */
const script = (/** @type {string} */ before) =>
  `${before} /ticker /ticks & while :; do (echo > /dev/shm/tick); done`;

/** Wake-ups of the ticker, each 300 us, until a container counts as having settled. */
const settledTicks = 150;

let number = 0;

/** A container in a bundle of its own: `runc spec`'s default configuration and a busybox. */
export class Container {
  #context;
  #program;
  #directory;
  #ticks;
  id;
  /** What runc and we get as root. */
  stateRoot;

  /**
   * @param {Context} context
   * @param {string} program
   * @param {string} directory
   */
  constructor(context, program, directory) {
    this.#context = context;
    this.#program = program;
    this.#directory = directory;
    this.#ticks = join(directory, 'bundle/rootfs/ticks');
    this.id = `libcriu-bench-${process.pid}-${number++}`;
    this.stateRoot = join(directory, 'state');
  }

  /**
   * Makes the bundle; the scope removes the container in whatever state it then is.
   *
   * @param {Context} context
   * @param {Scope} scope
   * @param {object} [settings]
   * @param {string} [settings.program] runc, or one that has the same command line
   * @param {string} [settings.criuConfig] text of a CRIU configuration that runc uses for it
   * @param {number} [settings.connections] it has a server with that many connections to itself
   */
  static async make(context, scope, { program = context.runc, criuConfig, connections } = {}) {
    const directory = join(context.directory, `container-${number}`);
    const bundle = join(directory, 'bundle');
    const rootfs = join(bundle, 'rootfs');
    for (const name of ['bin', 'proc', 'dev', 'sys']) {
      await mkdir(join(rootfs, name), { recursive: true });
    }
    await copyFile(context.busybox, join(rootfs, 'bin/busybox'));
    await symlink('busybox', join(rootfs, 'bin/sh'));
    await symlink('busybox', join(rootfs, 'bin/sleep'));
    await copyFile(context.ticker, join(rootfs, 'ticker'));
    await copyFile(context.connections, join(rootfs, 'connections'));
    const { status, stderr } = await capture(program, ['spec', '--bundle', bundle]);
    if (status !== 0) {
      throw new StepError(`${program} spec: ${stderr}`);
    }
    const configFile = join(bundle, 'config.json');
    const config = JSON.parse(readFileSync(configFile, 'utf8'));
    config.process.terminal = false;
    const server = connections === undefined ? '' : `/connections ${connections} &`;
    config.process.args = ['/bin/sh', '-c', script(server)];
    config.root.readonly = false;
    if (criuConfig !== undefined) {
      const file = join(directory, 'criu.conf');
      await writeFile(file, criuConfig);
      config.annotations = { 'org.criu.config': file };
    }
    writeFileSync(configFile, JSON.stringify(config));
    const container = new Container(context, program, directory);
    scope.defer(() => container.remove());
    return container;
  }

  /**
   * A command line of its runtime.
   *
   * @param {...string} args
   */
  line(...args) {
    const log = join(this.#directory, 'runtime.log');
    return [this.#program, '--root', this.stateRoot, '--log', log, ...args];
  }

  /**
   * Runs its runtime from the harness.
   *
   * @param {...string} args one command line, or several that follow each other after `&&`
   * @returns {Promise<number>} milliseconds
   */
  async runtime(...args) {
    try {
      return await this.#context.harness.command('run', ...args);
    } catch (error) {
      const log = join(this.#directory, 'runtime.log');
      const text = existsSync(log) ? readFileSync(log, 'utf8') : '';
      throw new Error(`${/** @type {Error} */ (error).message}\n${text.slice(-2000)}`);
    }
  }

  /** Starts it and lets it settle. */
  async start() {
    await rm(this.#ticks, { force: true });
    const bundle = join(this.#directory, 'bundle');
    await this.runtime(...this.line('run', '--detach', '--bundle', bundle, this.id));
    await until(`${this.id} ticks`, () => this.#read(0) > settledTicks);
  }

  /**
   * @param {string} imagePath
   * @returns {Promise<number>} milliseconds
   */
  async restore(imagePath) {
    const bundle = join(this.#directory, 'bundle');
    const work = join(this.#directory, 'restore-work');
    const images = ['--image-path', imagePath, '--work-path', work];
    const ms = await this.runtime(
      ...this.line('restore', '--detach', ...images, '--bundle', bundle, this.id),
    );
    const before = this.#read(0);
    await until(`${this.id} ticks again`, () => this.#read(0) > before + settledTicks);
    return ms;
  }

  /** Lets others have the processor until {@link wake}. */
  async rest() {
    await this.runtime(...this.line('pause', this.id));
  }

  async wake() {
    await this.runtime(...this.line('resume', this.id));
    const before = this.#read(0);
    await until(`${this.id} ticks again`, () => this.#read(0) > before + settledTicks);
  }

  /** Forgets the longest time without a tick. */
  resetPause() {
    const file = openSync(this.#ticks, 'r+');
    writeSync(file, Buffer.alloc(8), 0, 8, 8);
    closeSync(file);
  }

  /**
   * The longest time without a tick since {@link resetPause}.
   *
   * @returns {Promise<number>} milliseconds
   */
  async pause() {
    // The tick that ends the pause may still be to come.
    const before = this.#read(0);
    await until(`${this.id} ticks`, () => this.#read(0) > before + 2);
    return this.#read(8) / 1e6;
  }

  /** @param {number} offset */
  #read(offset) {
    if (!existsSync(this.#ticks)) {
      return 0;
    }
    const file = openSync(this.#ticks, 'r');
    const buffer = Buffer.alloc(8);
    const length = readSync(file, buffer, 0, 8, offset);
    closeSync(file);
    return length === 8 ? Number(buffer.readBigInt64LE()) : 0;
  }

  /** Ends it, whatever it does; there may be none. */
  async end() {
    if (existsSync(join(this.stateRoot, this.id))) {
      const logFile = join(this.#directory, 'runtime.log');
      const [program = '', ...args] = this.line('delete', '--force', this.id);
      await run(program, args, { logFile });
    }
  }

  async remove() {
    await this.end();
    await rm(this.#directory, { recursive: true, force: true });
  }
}
