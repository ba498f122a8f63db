// @ts-check
// Containers of docker and podman, whose directories are all in one of ours.
import { spawn } from 'node:child_process';
import { copyFile, mkdir, rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { capture, findCommand, run, StepError } from '../../tools/process.mjs';
import { workScript } from './container.mjs';
import { TickingContainer } from './ticking.mjs';

/** @typedef {import('./context.mjs').Context} Context */
/** @typedef {import('./scope.mjs').Scope} Scope */

/**
 * A command line of an engine, which the rest of it follows.
 *
 * @typedef {readonly [string, ...string[]]} Line
 */

/**
 * An engine, and how it checkpoints.
 *
 * @typedef {object} Engine
 * @property {string} version with its name, and that of the runtime
 * @property {Line} line
 * @property {(id: string) => string} stateRoot of its runtime
 * @property {(name: string) => readonly string[]} checkpoint what follows the line to leave it running
 * @property {(id: string) => string} images where that puts them
 */

const image = 'libcriu-box:1';
const name = 'libcriu-bench';
const startMs = 30_000;
/** No container may have higher limits than this machine lets it set. */
const ulimits = ['nofile=1024:1024', 'nproc=1024:1024'];

/** An engine's container that is at work. */
export class EngineContainer extends TickingContainer {
  #context;
  #engine;
  #id;
  #pid;

  /**
   * @param {Context} context
   * @param {Engine} engine
   * @param {string} id
   * @param {number} pid
   */
  constructor(context, engine, id, pid) {
    super(context, engine.stateRoot(id));
    this.#context = context;
    this.#engine = engine;
    this.#id = id;
    this.#pid = pid;
  }

  /** @override */
  get id() {
    return this.#id;
  }

  /** @override */
  get ticks() {
    return `/proc/${this.#pid}/root/ticks`;
  }

  /**
   * Its engine's own checkpoint, as a whole process, into a directory that is not there yet.
   *
   * @returns {Promise<number>} milliseconds
   */
  async checkpoint() {
    const { line, checkpoint, images } = this.#engine;
    const { harness, environment } = this.#context;
    const words = checkpoint(name);
    try {
      return await harness.command('run', ...line, ...words);
    } catch (error) {
      // The harness does not know what it has said.
      await ask(line, words, environment);
      throw error;
    } finally {
      await rm(images(this.#id), { recursive: true, force: true });
    }
  }
}

/**
 * Starts a container in an engine.
 *
 * @param {Context} context
 * @param {Engine} engine
 */
export async function startIn(context, engine) {
  const { environment: env, directory } = context;
  const { line } = engine;
  await ask(line, ['import', await archiveOf(context, join(directory, 'box')), image], env);
  const about = ['--name', name, '--network', 'none', '--cgroup-parent', `/${name}`];
  const limits = ulimits.flatMap((limit) => ['--ulimit', limit]);
  const id = await ask(
    line,
    ['run', '-d', ...about, ...limits, image, '/bin/sh', '-c', workScript()],
    env,
  );
  const pid = await ask(line, ['inspect', '--format', '{{.State.Pid}}', name], env);
  const container = new EngineContainer(context, engine, id, Number(pid));
  await container.settle();
  return container;
}

/**
 * The archive of a root file system with busybox and the ticker.
 *
 * @param {Context} context
 * @param {string} directory
 */
async function archiveOf({ busybox, ticker }, directory) {
  const bin = join(directory, 'bin');
  await mkdir(bin, { recursive: true });
  await copyFile(busybox, join(bin, 'busybox'));
  await symlink('busybox', join(bin, 'sh'));
  await copyFile(ticker, join(directory, 'ticker'));
  const archive = `${directory}.tar`;
  await run('tar', ['-C', directory, '-cf', archive, '.']);
  return archive;
}

/**
 * What a command of an engine prints.
 *
 * @param {Line} line
 * @param {readonly string[]} words
 * @param {NodeJS.ProcessEnv} env
 */
async function ask([program, ...args], words, env) {
  const { status, stdout, stderr } = await capture(program, [...args, ...words], { env });
  if (status !== 0) {
    throw new StepError(`${program} ${words[0]}: ${stderr.trim().slice(-500)}`);
  }
  return stdout.trim();
}

/**
 * A dockerd of our own. It ends with the namespace of processes that we are in.
 *
 * @param {Context} context
 * @returns {Promise<Engine>}
 */
export async function docker({ directory: parent, environment: env }) {
  const daemon = required('dockerd');
  const directory = join(parent, 'docker');
  await mkdir(directory);
  const socket = `unix://${join(directory, 'socket')}`;
  const [data, exec] = [join(directory, 'data'), join(directory, 'exec')];
  const child = spawn(
    daemon,
    [
      ...['--iptables=false', '--ip6tables=false', '--bridge=none', '--experimental'],
      ...['--storage-driver', 'overlay2', '--exec-opt', 'native.cgroupdriver=cgroupfs'],
      ...['-H', socket, '--pidfile', join(directory, 'pid')],
      ...['--data-root', data, '--exec-root', exec],
    ],
    { stdio: 'ignore', env },
  );
  /** @type {Line} */
  const line = [required('docker'), '-H', socket];
  const version = await answered(line, () => child.exitCode !== null, env);
  return {
    version: `docker ${version}`,
    line,
    stateRoot: () => join(exec, 'runtime-runc/moby'),
    checkpoint: (container) => ['checkpoint', 'create', '--leave-running', container, 'saved'],
    images: (id) => join(data, 'containers', id, 'checkpoints/saved'),
  };
}

/**
 * @param {Line} line
 * @param {() => boolean} hasEnded
 * @param {NodeJS.ProcessEnv} env
 * @returns {Promise<string>} the version of the daemon
 */
async function answered(line, hasEnded, env) {
  const deadline = performance.now() + startMs;
  for (;;) {
    try {
      return await ask(line, ['version', '--format', '{{.Server.Version}}'], env);
    } catch (error) {
      if (hasEnded()) throw new StepError('dockerd has ended');
      if (performance.now() > deadline) throw error;
      await delay(50);
    }
  }
}

/**
 * podman with a storage of our own.
 *
 * @param {Context} context
 * @returns {Promise<Engine>}
 */
export async function podman({ directory: parent, environment: env }) {
  const program = required('podman');
  const directory = join(parent, 'podman');
  const storage = join(directory, 'storage');
  const runtime = (await crunWithCriu()) === undefined ? 'runc' : 'crun';
  /** @type {Line} */
  const line = [
    program,
    ...['--root', storage, '--runroot', join(directory, 'run')],
    ...['--tmpdir', join(directory, 'tmp'), '--storage-driver', 'overlay'],
    ...['--cgroup-manager', 'cgroupfs', '--events-backend', 'file', '--runtime', runtime],
  ];
  const version = await ask(line, ['version', '--format', '{{.Client.Version}}'], env);
  return {
    version: `podman ${version} with ${runtime}`,
    line,
    stateRoot: () => `/run/${runtime}`,
    checkpoint: (container) => ['container', 'checkpoint', '--leave-running', container],
    images: (id) => join(storage, 'overlay-containers', id, 'userdata/checkpoint'),
  };
}

/** @returns {Promise<{program: string, version: string} | undefined>} crun, if it is built with CRIU */
export async function crunWithCriu() {
  const program = findCommand('crun');
  if (program === undefined) {
    return undefined;
  }
  const { stdout } = await capture(program, ['--version']);
  const version = stdout.split('\n', 1)[0]?.replace('version ', '') ?? '';
  return stdout.includes('+CRIU') ? { program, version } : undefined;
}

/** @param {string} command */
function required(command) {
  const found = findCommand(command);
  if (found === undefined) {
    throw new StepError(`${command} is not installed`);
  }
  return found;
}
