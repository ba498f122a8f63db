import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { arm64KernelDirectory, findKernel } from '../../../tools/kernel.mjs';
import { findCommand } from '../../../tools/process.mjs';
import { runOk } from '../../helpers/system/exec.js';
import type { TestReport } from '../protocol.js';
import { watch } from './watch.js';

/** Where what the guest has run is to be put: see scripts/coverage.mjs. */
const coverage = process.env['LIBCRIU_COVERAGE'];

/** The kernel that set-up has fetched. */
export type Kernel = NonNullable<ReturnType<typeof findKernel>>;

/** What is emulated. */
export interface Hardware {
  program: string;
  /** Debian's package that has it. */
  package: string;
  args: readonly string[];
  /** Its serial ports: the console's file, our standard output, and the coverage's file, as far as there are so many. */
  ports: (directory: string) => readonly string[];
  /** The console, as its kernel calls it. */
  console: string;
  findKernel(): Kernel | undefined;
}

/** A PC, as this machine is one. */
export const x64: Hardware = {
  program: 'qemu-system-x86_64',
  package: 'qemu-system-x86',
  args: ['-cpu', 'max'],
  ports: (directory) => [
    ...['-serial', `file:${join(directory, 'console')}`, '-serial', 'stdio'],
    ...['-serial', `file:${join(directory, 'coverage')}`],
  ],
  console: 'ttyS0',
  findKernel,
};

/** Another processor. It has one serial port, on which reports stand between messages. */
export const arm64: Hardware = {
  program: 'qemu-system-aarch64',
  package: 'qemu-system-arm',
  // The signatures of pointers that are not QEMU's own take most of the time.
  args: ['-machine', 'virt', '-cpu', 'max,pauth-impdef=on'],
  ports: (directory) => [
    ...['-chardev', `stdio,id=port,signal=off,logfile=${join(directory, 'console')}`],
    ...['-serial', 'chardev:port'],
  ],
  console: 'ttyAMA0',
  findKernel: () => findKernel(arm64KernelDirectory),
};

/** What makes a machine what it is. */
export interface MachineParts {
  /** Under which coverage keeps what it has run; without one that is not asked for. */
  name?: string;
  /** A file. */
  initramfs: string;
  /** More arguments of qemu. */
  args: readonly string[];
  /** More parameters of the kernel. */
  parameters: readonly string[];
}

/** Makes them, in an empty directory that is there until the machine is gone. */
export type MakeParts = (directory: string, kernel: Kernel) => Promise<MachineParts>;

/** A virtual machine, which runs all of its tests once and is gone. */
export class Machine {
  readonly #qemu: ChildProcess;
  readonly #name: string | undefined;
  readonly #directory: string;
  readonly #reports = new Map<string, TestReport>();
  readonly #waiting = new Map<string, (report: TestReport | undefined) => void>();
  readonly #ended: Promise<void>;
  #end = '';

  private constructor(qemu: ChildProcess, name: string | undefined, directory: string) {
    this.#qemu = qemu;
    this.#name = name;
    this.#directory = directory;
    const stopWatching = watch(qemu, (reason) => {
      this.#end ||= reason;
      qemu.kill('SIGKILL');
    });
    if (qemu.stdout) createInterface(qemu.stdout).on('line', (line) => this.#read(line));
    let complaint = '';
    qemu.stderr?.setEncoding('utf8').on('data', (text: string) => {
      complaint += text;
    });
    this.#ended = new Promise((settle) => {
      qemu.once('close', (code, signal) => {
        stopWatching();
        this.#end ||= `qemu ended with ${signal ?? `exit status ${code}`}. ${complaint}`;
        for (const tell of this.#waiting.values()) tell(undefined);
        settle();
      });
    });
  }

  /**
   * Boots one. Whatever is missing on this machine is an error that names it: a suite that is left
   * out would pass on a machine where nothing works.
   */
  static async boot(make: MakeParts, hardware: Hardware = x64): Promise<Machine> {
    if (process.arch !== 'x64') {
      throw new Error(`the virtual machine is for an x64 one, and this Node is ${process.arch}`);
    }
    const program = findCommand(hardware.program);
    if (program === undefined) {
      throw new Error(`there is no ${hardware.program}: install ${hardware.package}`);
    }
    const kernel = hardware.findKernel();
    if (kernel === undefined) {
      throw new Error(
        `there is no kernel for ${hardware.program}: run "npm run setup" or "npm run test:support"`,
      );
    }
    const directory = await mkdtemp(join(tmpdir(), 'libcriu-vm-'));
    try {
      const parts = await make(directory, kernel);
      const parameters = [
        `console=${hardware.console}`,
        'panic=-1',
        // There is nobody to be protected from.
        'mitigations=off',
        ...parts.parameters,
      ];
      const args = [
        // One processor: with two, emulated by two threads, both have been seen to hang in the kernel.
        ['-accel', 'tcg', ...hardware.args, '-smp', '1', '-m', '2048'],
        ['-nodefaults', '-display', 'none', '-no-reboot'],
        hardware.ports(directory),
        ['-kernel', kernel.image, '-initrd', parts.initramfs, '-append', parameters.join(' ')],
        parts.args,
      ];
      const qemu = spawn(program, args.flat(), { stdio: ['ignore', 'pipe', 'pipe'] });
      await new Promise((resolve, reject) => qemu.once('spawn', resolve).once('error', reject));
      return new Machine(qemu, parts.name, directory);
    } catch (error) {
      await rm(directory, { recursive: true, force: true });
      throw error;
    }
  }

  /** Waits for a test of the guest; rejects with what it threw there. */
  async outcome(title: string, name: string): Promise<TestReport> {
    const key = JSON.stringify([title, name]);
    const report = this.#reports.get(key) ?? (await this.#arrival(key));
    if (report === undefined) {
      throw new Error(`the guest did not report on this test: ${this.#end}\n${this.#console()}`);
    }
    const { failure } = report;
    if (failure === undefined) return report;
    throw Object.assign(new Error(failure.message), { stack: failure.stack });
  }

  /** Switches it off and removes what it was made of. */
  async close(): Promise<void> {
    const place = coverage && this.#name && join(coverage, this.#name);
    if (!place) this.#qemu.kill('SIGKILL');
    await this.#ended;
    if (place) {
      await mkdir(place, { recursive: true });
      await runOk('tar', ['-xzf', join(this.#directory, 'coverage'), '-C', place]);
    }
    await rm(this.#directory, { recursive: true, force: true });
  }

  #read(line: string): void {
    let report: TestReport;
    try {
      report = JSON.parse(line) as TestReport;
    } catch {
      return; // the firmware's greeting, or a library's chatter
    }
    const key = JSON.stringify([report.title, report.name]);
    this.#reports.set(key, report);
    this.#waiting.get(key)?.(report);
  }

  async #arrival(key: string): Promise<TestReport | undefined> {
    if (this.#qemu.exitCode !== null || this.#qemu.signalCode !== null) {
      await this.#ended; // with all that was still to be read
      return this.#reports.get(key);
    }
    return new Promise((resolve) => this.#waiting.set(key, resolve));
  }

  #console(): string {
    const text = readFileSync(join(this.#directory, 'console'), 'utf8');
    return `The end of its console:\n${text.split(/\r*\n/).slice(-40).join('\n')}`;
  }
}
