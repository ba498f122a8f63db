// @ts-check
// A container that counts is checkpointed through the package, is gone, and is restored by runc.
import { spawn } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { prefix } from '../tools/criu.mjs';
import { findCommand, StepError } from '../tools/process.mjs';
import { setUp } from '../tools/set-up.mjs';

// The number lives in the shell's memory alone: only a restored process can go on from it.
const counter = 'n=0; while :; do n=$((n+1)); echo $n >>/count; sleep 0.1; done';
const id = `libcriu-demo-${process.pid}`;

const interruption = new AbortController();

/** @param {string} text */
const say = (text) => process.stdout.write(`${text}\n`);

class Demo {
  directory = mkdtempSync(join(tmpdir(), 'libcriu-demo-'));
  bundle = join(this.directory, 'bundle');
  rootfs = join(this.bundle, 'rootfs');
  /** Where runc keeps this container: no other container of the machine is in sight. */
  stateRoot = join(this.directory, 'state');
  images = join(this.directory, 'images');

  /** runc starts criu for a restore: the one that the package uses comes first in its PATH. */
  environment = {
    ...process.env,
    PATH: [
      join(process.env['LIBCRIU_PREFIX'] || prefix, 'sbin'),
      process.env['PATH'],
      '/usr/sbin:/usr/bin:/sbin:/bin',
    ].join(':'),
  };

  /** @param {readonly string[]} args */
  async runc(...args) {
    const log = join(this.directory, 'runc.log');
    // A detached container inherits the standard streams of runc, so none of ours goes there.
    const child = spawn('runc', ['--root', this.stateRoot, '--log', log, ...args], {
      cwd: this.directory,
      env: this.environment,
      stdio: 'ignore',
      // Of its own group: a Ctrl-C is ours to handle, and must not stop runc half-way.
      detached: true,
    });
    const status = await new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('close', resolve);
    });
    if (status !== 0) {
      const said = existsSync(log) ? readFileSync(log, 'utf8').trim().split('\n').at(-1) : '';
      throw new StepError(`runc ${args[0]} ended with exit status ${status}: ${said}`);
    }
  }

  async start() {
    for (const name of ['bin', 'dev', 'proc', 'sys']) {
      mkdirSync(join(this.rootfs, name), { recursive: true });
    }
    const busybox = findCommand('busybox');
    if (busybox === undefined) {
      throw new StepError('no busybox on this machine');
    }
    copyFileSync(busybox, join(this.rootfs, 'bin/busybox'));
    for (const name of ['sh', 'sleep']) {
      symlinkSync('busybox', join(this.rootfs, 'bin', name));
    }
    await this.runc('spec', '--bundle', this.bundle);
    const configFile = join(this.bundle, 'config.json');
    const config = JSON.parse(readFileSync(configFile, 'utf8'));
    config.process.terminal = false;
    config.process.args = ['/bin/sh', '-c', counter];
    config.root.readonly = false;
    writeFileSync(configFile, JSON.stringify(config));
    await this.runc('run', '--detach', '--bundle', this.bundle, id);
  }

  /** The numbers that the container has written so far. */
  numbers() {
    try {
      const text = readFileSync(join(this.rootfs, 'count'), 'utf8');
      return text.split('\n').slice(0, -1).map(Number);
    } catch {
      return [];
    }
  }

  /** @param {number} number */
  async waitFor(number) {
    const deadline = performance.now() + 10_000;
    while ((this.numbers().at(-1) ?? 0) < number) {
      if (performance.now() > deadline) {
        throw new StepError(`the container did not count to ${number} within 10 s`);
      }
      await sleep(20, undefined, { signal: interruption.signal });
    }
    return this.numbers().at(-1) ?? 0;
  }

  isGone() {
    return !existsSync(join(this.stateRoot, id));
  }

  async cleanUp() {
    if (!this.isGone()) {
      await this.runc('delete', '--force', id);
    }
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** @param {Demo} demo */
async function show(demo) {
  await demo.start();
  const first = await demo.waitFor(15);
  say(`The container counts: ${first}`);

  // Loaded only now: set-up has built it.
  /** @type {typeof import('../lib/index.js')} */
  const { checkpoint } = await import(new URL('../dist/index.js', import.meta.url).href);
  const result = await checkpoint(id, { stateRoot: demo.stateRoot, imagePath: demo.images });
  interruption.signal.throwIfAborted();
  for (const warning of result.warnings) {
    say(`warning: ${warning}`);
  }
  const before = demo.numbers().at(-1) ?? 0;
  say(`Checkpointed at ${before}, in ${result.durationMs.toFixed(0)} ms:`);
  for (const line of timings(result.stats)) {
    say(`  ${line}`);
  }

  await sleep(500, undefined, { signal: interruption.signal });
  if (!demo.isGone() || demo.numbers().at(-1) !== before) {
    throw new StepError('the container is still there after its checkpoint');
  }
  say(`Half a second later it is gone, and the count still ${before}`);

  const startedAt = performance.now();
  await demo.runc('restore', '--detach', '--bundle', demo.bundle, '--image-path', demo.images, id);
  say(`Restored by runc in ${(performance.now() - startedAt).toFixed(0)} ms`);
  const after = await demo.waitFor(before + 10);
  const gap = demo.numbers().findIndex((number, index) => number !== index + 1);
  if (gap !== -1) {
    throw new StepError(`the count is broken at line ${gap + 1} of its file`);
  }
  say(`It went on from where it stopped: ${before + 1}, ${before + 2}, ... ${after}`);
}

/** @param {import('../lib/index.js').DumpStats | undefined} stats */
function timings(stats) {
  if (stats === undefined) {
    return [];
  }
  /** @param {number} us */
  const ms = (us) => `${(us / 1000).toFixed(1)} ms`;
  return [
    `freezing ${ms(stats.freezingTimeUs)}, then frozen for ${ms(stats.frozenTimeUs)}`,
    `memory: collected in ${ms(stats.memdumpTimeUs)}, written in ${ms(stats.memwriteTimeUs)}`,
    `pages: ${stats.pagesScanned} scanned, ${stats.pagesWritten} written`,
  ];
}

async function main() {
  await setUp();
  process.on('SIGINT', () => interruption.abort());
  process.on('SIGTERM', () => interruption.abort());
  const demo = new Demo();
  try {
    await show(demo);
  } finally {
    await demo.cleanUp();
  }
  say('Everything that the demo made is removed again');
}

/** @param {any} error */
function explain(error) {
  if (interruption.signal.aborted) {
    return 'interrupted; everything that the demo made is removed again';
  }
  if (error instanceof StepError) {
    return error.message;
  }
  if (error.name === 'CriuError') {
    return [`${error.message} (${error.code})`, ...error.log].join('\n  ');
  }
  return error.stack;
}

main().catch((error) => {
  process.stderr.write(`demo: ${explain(error)}\n`);
  process.exitCode = 1;
});
