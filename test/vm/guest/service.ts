import { existsSync, readFileSync } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Scope } from '../../helpers/cleanup.js';
import { run, runOk, until } from '../../helpers/system/exec.js';

/** Where a test puts units: they are gone with the machine in any case. */
const units = '/run/systemd/system';

/** A shell that writes ascending numbers to its standard output. */
export const counter =
  "/bin/busybox sh -c 'i=0; while :; do i=$$((i+1)); echo number $$i; sleep 0.05; done'";

/** A service of systemd. */
export class Service {
  readonly name: string;

  /** @param name - With its suffix. */
  constructor(name: string) {
    this.name = name;
  }

  async start(): Promise<void> {
    await systemctl('start', this.name);
  }

  async stop(): Promise<void> {
    await systemctl('stop', this.name);
  }

  /** What systemd knows of it by a name such as `ActiveState`. */
  async property(name: string): Promise<string> {
    return systemctl('show', '--property', name, '--value', this.name);
  }

  /** Its main process, as systemd has it; 0 for none. */
  async mainPid(): Promise<number> {
    return Number(await this.property('MainPID'));
  }

  async isActive(): Promise<boolean> {
    return (await this.property('ActiveState')) === 'active';
  }

  async ends(): Promise<void> {
    await until(`${this.name} has ended`, async () =>
      /^(inactive|failed)$/.test(await this.property('ActiveState')),
    );
  }

  /** The number that it has written last to the journal, whichever process of it has; 0 for none. */
  async count(): Promise<number> {
    return lastNumber('--unit', this.name);
  }

  /** Waits until it has counted beyond a number, and gives that where it is. */
  async countsBeyond(number: number): Promise<number> {
    return until(`${this.name} counts beyond ${number}`, async () => {
      const count = await this.count();
      return count > number && count;
    });
  }
}

/** The last of the numbers that messages of the journal have. */
export async function lastNumber(...filter: string[]): Promise<number> {
  await run('journalctl', ['--sync']);
  const { stdout } = await run('journalctl', ['--output', 'cat', '--lines', '20', ...filter]);
  return Number([...stdout.matchAll(/^number (\d+)$/gm)].at(-1)?.[1] ?? 0);
}

export async function systemctl(...args: string[]): Promise<string> {
  return (await runOk('systemctl', args)).trim();
}

/**
 * Makes a unit for one test.
 *
 * @param text - Its file.
 */
export async function makeService(scope: Scope, name: string, text: string): Promise<Service> {
  await writeUnitFile(scope, join(units, name), text);
  const service = new Service(name);
  scope.defer(() => run('systemctl', ['kill', '--signal', 'KILL', name]));
  scope.defer(() => run('systemctl', ['stop', name]));
  return service;
}

/** Writes a file that systemd reads, and has it read that. */
export async function writeUnitFile(scope: Scope, path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, text);
  scope.defer(async () => {
    await rm(path, { force: true });
    if (basename(dirname(path)).endsWith('.d')) await rm(dirname(path), { recursive: true });
    await systemctl('daemon-reload');
  });
  await systemctl('daemon-reload');
}

/** The cgroup of a process below the mount of cgroup v2. */
export function cgroupOf(pid: number): string {
  return /^0::(.*)$/m.exec(readFileSync(`/proc/${pid}/cgroup`, 'utf8'))?.[1] ?? '';
}

/** The limits of a process's cgroup, for the controllers that it has. */
export function limitsOf(pid: number): Record<string, string> {
  const directory = join('/sys/fs/cgroup', cgroupOf(pid));
  const files = ['memory.max', 'pids.max', 'cpu.max'].filter((file) =>
    existsSync(join(directory, file)),
  );
  return Object.fromEntries(
    files.map((file) => [file, readFileSync(join(directory, file), 'utf8').trim()]),
  );
}
