import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { chmod, copyFile, mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { environmentWithCriu } from '../paths.js';
import type { Scope } from '../scope.js';
import { run, runOk, until } from '../system/exec.js';
import { freezerDirectory, freezerState, isRunning } from '../system/freezer.js';
import { isAlive, processState, reportIn, workloadBinary } from '../system/process.js';

/** The part of the OCI configuration that tests change. */
export interface BundleConfig {
  annotations?: Record<string, string>;
  hooks?: Record<string, { path: string; args?: string[] }[]>;
  process: { args: string[]; terminal: boolean; [key: string]: unknown };
  root: { path: string; readonly: boolean };
  mounts: { destination: string; type: string; source: string; options?: string[] }[];
  linux: {
    namespaces: { type: string; path?: string }[];
    maskedPaths?: string[];
    readonlyPaths?: string[];
    devices?: { path: string; type: string; major: number; minor: number; fileMode?: number }[];
    [key: string]: unknown;
  };
  [key: string]: unknown;
}

export interface ContainerOptions {
  /** The init's command line; the default counts into `/log` every 20 ms. */
  args?: string[];
  configure?: (config: BundleConfig, directories: { bundle: string; rootfs: string }) => void;
  /** `create` leaves it created, `run` (the default) starts it. */
  start?: 'create' | 'run';
  id?: string;
  /** Its cgroup is a scope that systemd makes. */
  systemdCgroup?: boolean;
}

/** `<number> <uptime in s>` a line; `echo >>` opens the file anew for each line. */
const counter = [
  '/bin/sh',
  '-c',
  'i=0; while :; do i=$((i+1)); read -r up rest </proc/uptime; echo "$i $up" >>/log; usleep 20000; done',
];

/**
 * The command line of an init that only waits. It has no children: one that ends is a zombie for a
 * moment, which `explain` finds.
 */
export const withoutChildren = ['/workload', '/ready', 'idle'];

export interface Tick {
  number: number;
  seconds: number;
}

/** A real container of a real runc, in a bundle and a state root of its own. */
export class Container {
  readonly id: string;
  /** Its directory: `bundle/`, `state/`. */
  readonly directory: string;
  /** What runc and the API get as `root`. */
  readonly stateRoot: string;
  readonly #globalFlags: readonly string[];

  constructor(id: string, directory: string, globalFlags: readonly string[] = []) {
    this.id = id;
    this.directory = directory;
    this.stateRoot = join(directory, 'state');
    this.#globalFlags = globalFlags;
  }

  get bundle(): string {
    return join(this.directory, 'bundle');
  }

  get rootfs(): string {
    return join(this.bundle, 'rootfs');
  }

  get stateFile(): string {
    return join(this.stateRoot, this.id, 'state.json');
  }

  /** A path that does not exist yet, in the container's directory. */
  path(name: string): string {
    return join(this.directory, name);
  }

  get state(): Record<string, unknown> {
    return JSON.parse(readFileSync(this.stateFile, 'utf8')) as Record<string, unknown>;
  }

  get pid(): number {
    return Number(this.state['init_process_pid']);
  }

  async runc(...args: string[]): Promise<{ code: number | null; stdout: string; stderr: string }> {
    // runc hands its standard streams to the container: only files and /dev/null may reach it.
    const detaches = ['run', 'create', 'restore', 'start'].includes(args[0] ?? '');
    const log = this.path('runc.log');
    const global = ['--root', this.stateRoot, '--log', log, ...this.#globalFlags];
    const outcome = await run('runc', [...global, ...args], {
      env: environmentWithCriu(),
      stdio: detaches ? 'ignore' : ['ignore', 'pipe', 'pipe'],
      cwd: this.directory,
    });
    if (outcome.code === 0) return outcome;
    const written = existsSync(log) ? readFileSync(log, 'utf8') : '';
    return { ...outcome, stderr: `${outcome.stderr}${written}` };
  }

  /** runc gives a v1 freezer up after some tries, which tasks that fork can outlast. */
  async pause(): Promise<void> {
    await until(
      `container ${this.id} is paused`,
      async () => (await this.runc('pause', this.id)).code === 0,
      20_000,
    );
  }

  async runcOk(...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await this.runc(...args);
    if (code !== 0) throw new Error(`runc ${args.join(' ')}: exit status ${code}\n${stderr}`);
    return stdout;
  }

  /** `runc restore`, from images of either of us. */
  async restore(imagePath: string, ...flags: string[]): Promise<void> {
    const work = this.path('restore-work');
    const { code, stderr } = await this.runc(
      'restore',
      '-d',
      '--image-path',
      imagePath,
      '--work-path',
      work,
      '-b',
      this.bundle,
      ...flags,
      this.id,
    );
    if (code === 0) return;
    const log = join(work, 'restore.log');
    const said = existsSync(log)
      ? readFileSync(log, 'utf8')
          .split('\n')
          .filter((l) => l.includes('Error'))
      : [];
    throw new Error(`runc restore: exit status ${code}\n${stderr}\n${said.join('\n')}`);
  }

  /** `running`, `paused`, `stopped`, `created`, or undefined when runc knows no such container. */
  async status(): Promise<string | undefined> {
    const { code, stdout } = await this.runc('state', this.id);
    return code === 0 ? String((JSON.parse(stdout) as { status: string }).status) : undefined;
  }

  get freezer(): string {
    return freezerState(this.pid);
  }

  get freezerPath(): string {
    return freezerDirectory(this.pid).path;
  }

  get isRunning(): boolean {
    return existsSync(this.stateFile) && isRunning(this.pid);
  }

  /** What the counter wrote; a last line without its end is left out. */
  async ticks(): Promise<Tick[]> {
    const text = await readFile(join(this.rootfs, 'log'), 'utf8').catch(() => '');
    return text
      .slice(0, text.lastIndexOf('\n') + 1)
      .trim()
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => {
        const [number, seconds] = line.split(' ');
        return { number: Number(number), seconds: Number(seconds) };
      });
  }

  /** Waits until the counter went on by this many ticks from now. */
  async countsOn(by = 3): Promise<void> {
    const before = (await this.ticks()).length;
    await until(
      `container ${this.id} counts on`,
      async () => (await this.ticks()).length >= before + by,
    );
  }

  /** Removes every trace, whatever state it is in. */
  async remove(): Promise<void> {
    const pid = existsSync(this.stateFile) ? this.pid : undefined;
    if (pid !== undefined && isAlive(pid)) {
      // A frozen process cannot die.
      await this.runc('resume', this.id);
      await this.runc('kill', this.id, 'KILL');
      // runc gives up on a cgroup whose tasks are not gone in a third of a second, and leaves it.
      await until(`init of ${this.id} is gone`, () => !isAlive(pid));
    }
    await this.runc('delete', '--force', this.id);
  }
}

let number = 0;

/** A container id that no other test on this machine uses. */
export function uniqueId(): string {
  number += 1;
  return `libcriu-${process.pid}-${number}-${randomBytes(3).toString('hex')}`;
}

/** Makes a bundle and starts it; the scope removes it, its state and its processes. */
export async function startContainer(
  scope: Scope,
  options: ContainerOptions = {},
): Promise<Container> {
  const flags = options.systemdCgroup ? ['--systemd-cgroup'] : [];
  const container = new Container(options.id ?? uniqueId(), await scope.directory(), flags);
  const { bundle, rootfs } = container;
  for (const name of ['bin', 'tmp', 'proc', 'dev', 'sys']) {
    await mkdir(join(rootfs, name), { recursive: true });
  }
  // The state of a container is readable for others nowhere; its rootfs has to be enterable.
  await chmod(container.directory, 0o711);
  await copyFile('/bin/busybox', join(rootfs, 'bin/busybox'));
  for (const applet of ['sh', 'usleep', 'sleep', 'cat', 'mkdir', 'ln']) {
    await symlink('busybox', join(rootfs, 'bin', applet));
  }
  await copyFile(await workloadBinary(), join(rootfs, 'workload'));
  await runOk('runc', ['spec'], { cwd: bundle });
  const config = JSON.parse(await readFile(join(bundle, 'config.json'), 'utf8')) as BundleConfig;
  config.process.terminal = false;
  config.process.args = options.args ?? counter;
  config.root.readonly = false;
  options.configure?.(config, { bundle, rootfs });
  await writeFile(join(bundle, 'config.json'), JSON.stringify(config, null, 2));
  scope.defer(() => container.remove());
  if (options.start === 'create') {
    await container.runcOk('create', '-b', bundle, container.id);
  } else {
    await container.runcOk('run', '-d', '-b', bundle, container.id);
    await untilReady(container, options.args);
  }
  return container;
}

/** The counter counts, and a workload that was given a file has written that it is ready. */
async function untilReady(container: Container, args: readonly string[] = counter): Promise<void> {
  const [program, readyFile = '-'] = args;
  if (args === counter) {
    await until(
      `container ${container.id} counts`,
      async () => (await container.ticks()).length > 2,
    );
  } else if (program === '/workload' && readyFile !== '-') {
    const file = join(container.rootfs, readyFile);
    await until(`the workload of ${container.id} is ready`, () => reportIn(file), 20_000);
  } else {
    // For a moment the process is still a runc that is about to become it.
    const name = (): string => processState(container.pid)?.name ?? '';
    await until(`${container.id} runs its program`, () => !name().startsWith('runc:['));
  }
}

/** The times between neighbouring ticks, in ms. */
export function gapsMs(ticks: readonly Tick[]): number[] {
  return ticks.slice(1).map((tick, index) => (tick.seconds - (ticks[index]?.seconds ?? 0)) * 1000);
}

/** Numbers that are not the one before plus one: a process that was restored twice, or lost time. */
export function brokenTicks(ticks: readonly Tick[]): Tick[] {
  return ticks.filter((tick, index) => {
    const before = ticks[index - 1];
    return before !== undefined && tick.number !== before.number + 1;
  });
}
