// @ts-check
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { copyFile, mkdir, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { capture, run, StepError } from '../../tools/process.mjs';
import { TickingContainer } from './ticking.mjs';

/** @typedef {import('./context.mjs').Context} Context */
/** @typedef {import('./scope.mjs').Scope} Scope */

/**
 * Forks without end, as a container at work does: where all tasks sleep, CRIU is often spared its
 * wait of 100 ms for a cgroup to freeze, and with it runc. Writes to a tmpfs only: no file of the
 * root filesystem changes, so that images stay good to restore from. The ticker tells how long the
 * container stood still.
 */
export const workScript = (before = '') =>
  `${before} /ticker /ticks & while :; do (echo > /dev/shm/tick); done`;

let number = 0;

/** A container in a bundle of its own: `runc spec`'s default configuration and a busybox. */
export class Container extends TickingContainer {
  #context;
  #program;
  #directory;
  #id;

  /**
   * @param {Context} context
   * @param {string} program
   * @param {string} directory
   */
  constructor(context, program, directory) {
    super(context, join(directory, 'state'));
    this.#context = context;
    this.#program = program;
    this.#directory = directory;
    this.#id = `libcriu-bench-${process.pid}-${number++}`;
  }

  /** @override */
  get id() {
    return this.#id;
  }

  /** @override */
  get ticks() {
    return join(this.#directory, 'bundle/rootfs/ticks');
  }

  /**
   * Makes the bundle; the scope removes the container in whatever state it then is.
   *
   * @param {Context} context
   * @param {Scope} scope
   * @param {object} [settings]
   * @param {string} [settings.program] runc, or one that has the same command line
   * @param {string} [settings.criuConfig] text of a CRIU configuration that runc uses for it
   * @param {string} [settings.before] a command of its shell before it is at work
   * @param {(config: any) => void} [settings.configure] changes what `spec` has written
   */
  static async make(context, scope, settings = {}) {
    const { program = context.runc, criuConfig, before = '', configure } = settings;
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
    config.process.args = ['/bin/sh', '-c', workScript(before)];
    config.root.readonly = false;
    if (criuConfig !== undefined) {
      const file = join(directory, 'criu.conf');
      await writeFile(file, criuConfig);
      config.annotations = { 'org.criu.config': file };
    }
    configure?.(config);
    writeFileSync(configFile, JSON.stringify(config));
    const container = new Container(context, program, directory);
    scope.defer(() => container.remove());
    return container;
  }

  get bundle() {
    return join(this.#directory, 'bundle');
  }

  /** Where CRIU's log of a restore is. */
  get restoreWork() {
    return join(this.#directory, 'restore-work');
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
    await rm(this.ticks, { force: true });
    await this.runtime(...this.line('run', '--detach', '--bundle', this.bundle, this.id));
    await this.settle();
  }

  /**
   * @param {string} imagePath
   * @returns {Promise<number>} milliseconds
   */
  async restore(imagePath) {
    const images = ['--image-path', imagePath, '--work-path', this.restoreWork];
    const ms = await this.runtime(
      ...this.line('restore', '--detach', ...images, '--bundle', this.bundle, this.id),
    );
    await this.settle(this.count());
    return ms;
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
