import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { findKernel } from '../../../tools/kernel.mjs';
import { findCommand } from '../../../tools/process.mjs';
import { prefix } from '../../helpers/paths.js';
import { runOk } from '../../helpers/system/exec.js';
import type { TestReport } from '../protocol.js';
import { buildInitramfs, inGuest } from './initramfs.js';
import { watch } from './watch.js';

/** Where what the guest has run is to be put: see scripts/coverage.mjs. */
const coverage = process.env['LIBCRIU_COVERAGE'];

/** Of the guest's own time: it switches itself off, should nobody be there any more. */
const guestLimitS = 1800;

/** The virtual machine, which runs all tests once and is gone. */
export class Machine {
  readonly #qemu: ChildProcess;
  readonly #directory: string;
  readonly #reports = new Map<string, TestReport>();
  readonly #waiting = new Map<string, (report: TestReport | undefined) => void>();
  readonly #ended: Promise<void>;
  #end = '';

  private constructor(qemu: ChildProcess, directory: string) {
    this.#qemu = qemu;
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
   * Boots it. Whatever is missing on this machine is an error that names it: a suite that is left
   * out would pass on a machine where nothing works.
   */
  static async boot(): Promise<Machine> {
    if (process.arch !== 'x64') {
      throw new Error(`the virtual machine is an x64 one, and this Node is ${process.arch}`);
    }
    const program = findCommand('qemu-system-x86_64');
    if (program === undefined) {
      throw new Error('there is no qemu-system-x86_64: run "npm run setup" as root');
    }
    const kernel = findKernel();
    if (kernel === undefined) {
      throw new Error(
        'there is no kernel of Debian\'s linux-image-cloud-amd64: run "npm run setup"',
      );
    }
    const directory = await mkdtemp(join(tmpdir(), 'libcriu-vm-'));
    try {
      const archive = await buildInitramfs(directory, kernel);
      const main = inGuest(join(import.meta.dirname, '../guest/main.js'));
      const parameters = [
        'console=ttyS0',
        'panic=-1',
        'quiet',
        // There is nobody to be protected from.
        'mitigations=off',
        // The kernel hands these to /init as its environment.
        `LIBCRIU_VM_NODE=${process.execPath}`,
        `LIBCRIU_VM_MAIN=${main}`,
        `LIBCRIU_VM_LIMIT_S=${guestLimitS}`,
      ];
      if (coverage !== undefined) parameters.push('LIBCRIU_VM_COVERAGE=1');
      if (existsSync(prefix)) parameters.push(`LIBCRIU_PREFIX=${inGuest(prefix)}`);
      const args = [
        // One processor: with two, emulated by two threads, both have been seen to hang in the kernel.
        ['-accel', 'tcg', '-cpu', 'max', '-smp', '1', '-m', '2048'],
        // A nanosecond for each instruction, and none for waiting: the guest's clock stands still while
        // others have our processors, so that no limit in there is over sooner on a busy machine.
        ['-icount', 'shift=0,sleep=off', '-rtc', 'clock=vm'],
        ['-nodefaults', '-display', 'none', '-no-reboot'],
        ['-serial', `file:${join(directory, 'console')}`, '-serial', 'stdio'],
        ['-serial', `file:${join(directory, 'coverage')}`],
        ['-kernel', kernel.image, '-initrd', archive, '-append', parameters.join(' ')],
      ];
      const qemu = spawn(program, args.flat(), { stdio: ['ignore', 'pipe', 'pipe'] });
      await new Promise((resolve, reject) => qemu.once('spawn', resolve).once('error', reject));
      return new Machine(qemu, directory);
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
    if (coverage === undefined) this.#qemu.kill('SIGKILL');
    await this.#ended;
    if (coverage !== undefined) {
      await mkdir(join(coverage, 'guest'), { recursive: true });
      await runOk('tar', [
        '-xzf',
        join(this.#directory, 'coverage'),
        '-C',
        join(coverage, 'guest'),
      ]);
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
