import {
  closeSync,
  mkdirSync,
  openSync,
  readSync,
  rmdirSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { runOk, sleep } from '../../helpers/system/exec.js';
import { type Bench, looksComplete } from '../bench.js';
import type { Kind } from '../kind.js';
import { compile } from '../programs.js';
import type { Request, Settled } from '../subject.js';
import type { Target, TargetKind } from '../targets.js';
import { boundMs, isOurCode, type Trial } from '../trial.js';

const timeoutMs = 3_000;

/** Runs one call in want of something, and says what is wrong with how it went. */
async function callInWant(
  bench: Bench,
  fault: string,
  kind: TargetKind,
  options: Record<string, unknown> = {},
  extra: Partial<Request> = {},
): Promise<{ trial: Trial; settled: Settled | undefined; target: Target; imagePath: string }> {
  const target = await bench.target(kind);
  const subject = await bench.subject();
  const imagePath = bench.path('images');
  const trial: Trial = { fault, losses: [], leaks: [], beyond: [], endMs: 0 };
  const all = { leaveRunning: true, imagePath, timeoutMs, ...target.options, ...options };
  const start = performance.now();
  const running = subject.perform({
    call: target.call,
    target: target.key,
    options: all,
    ...extra,
  });
  const outcome = await Promise.race([
    running.settled,
    sleep(timeoutMs + boundMs).then(() => 'pending' as const),
  ]);
  trial.endMs = Math.max(0, performance.now() - start - timeoutMs);
  if (outcome === 'pending') trial.losses.push('the call is pending after timeoutMs and 2 s');
  const settled = outcome === 'pending' ? undefined : outcome;
  if (outcome === undefined) trial.losses.push(`the process has ended by it: ${subject.end}`);
  const { code, name, message } = settled?.error ?? {};
  if (settled && !settled.ok && !isOurCode(code)) {
    trial.losses.push(`an error without a code of ours: ${name} ${code} ${message}`);
  }
  return { trial, settled, target, imagePath: String(all.imagePath) };
}

/** libcriu prints where it has no memory, and there is no way to have it silent. */
const ofLibcriu = /Can't (allocate|send|read|receive)|Failed unpacking/;

/** What all of these end with. */
async function closeTrial(
  bench: Bench,
  { trial, settled, target, imagePath }: Awaited<ReturnType<typeof callInWant>>,
  { thorough = true } = {},
): Promise<Trial> {
  const subject = await bench.subject().catch(() => undefined);
  const condition = await target.examine(500, { thorough });
  if (condition.gone) trial.losses.push('the tasks are gone');
  trial.losses.push(...condition.damages);
  if (settled?.ok && !looksComplete(imagePath))
    trial.losses.push('it has succeeded without complete images');
  if (settled?.ok === false && looksComplete(imagePath)) {
    trial.losses.push('images that look complete are left of a call that has failed');
  }
  for (const stray of subject?.strays.splice(0) ?? []) {
    (ofLibcriu.test(stray) ? trial.beyond : trial.losses).push(stray);
  }
  trial.leaks.push(...(await bench.leaks()));
  if (condition.gone || condition.damages.length > 0) await bench.drop(target);
  if (trial.leaks.length > 0 || settled === undefined) await bench.replaceSubject();
  await rm(imagePath, { recursive: true, force: true });
  return trial;
}

/** A file system of so many bytes, or inodes, for the images, the work directory or both. */
async function* noSpace(bench: Bench): AsyncGenerator<Trial> {
  const sizes = ['4k', '16k', '64k', '256k', '1m', '4m', '7m', '8m', '9m'].map(
    (size) => `size=${size}`,
  );
  const inodes = [2, 3, 5, 8, 13, 20].map((count) => `nr_inodes=${count}`);
  for (const kind of ['isolated', 'container'] as const) {
    for (const limit of [...sizes, ...inodes]) {
      for (const where of ['imagePath', 'workPath'] as const) {
        if (where === 'workPath' && !/size=(4|16)k|inodes=(2|3)$/.test(limit)) continue;
        const place = bench.path('small');
        mkdirSync(place);
        await runOk('mount', ['-t', 'tmpfs', '-o', `${limit},mode=700`, 'stress', place]);
        const options = { [where]: join(place, 'of-a-dump') };
        const done = await callInWant(bench, `${limit} for ${where} of ${kind}`, kind, options);
        const trial = await closeTrial(bench, done);
        await runOk('umount', [place]).catch((error: Error) => {
          trial.leaks.push(`the file system is in use: ${error.message}`);
        });
        rmdirSync(place);
        yield trial;
      }
    }
  }
}

/** From no descriptor at all to enough, with and without a spare criu. */
async function* noDescriptor(bench: Bench): AsyncGenerator<Trial> {
  for (const kind of ['process', 'isolated', 'container'] as const) {
    for (let more = 0; more <= 24; more++) {
      await bench.target(kind);
      const subject = await bench.subject();
      const used = [...subject.holdings().descriptors.values()].reduce(
        (sum, count) => sum + count,
        0,
      );
      // Only the soft limit: root without CAP_SYS_RESOURCE could not raise the other again.
      const limit = (soft: number): Promise<string> =>
        runOk('prlimit', ['--pid', String(subject.pid), `--nofile=${soft}:`]);
      const before = Number(
        (
          await runOk('prlimit', [
            '--pid',
            String(subject.pid),
            '--nofile',
            '-o',
            'SOFT',
            '--noheadings',
          ])
        ).trim(),
      );
      await limit(used + more);
      const done = await callInWant(bench, `${more} descriptors left, in a dump of ${kind}`, kind);
      if (subject.end === undefined) await limit(before);
      const trial = await closeTrial(bench, done);
      if (subject.end === undefined && !(await subject.answers(1_000)))
        trial.losses.push('the event loop stands still');
      yield trial;
    }
  }
}

const offsets = { what: 0, from: 8, count: 16, seen: 24, failed: 32 };
const wants = { nothing: 0, thread: 1, memory: 2, memoryOfJavaScript: 3 } as const;

/** The page that `programs/fail.cc` shares with us. */
class FailControl {
  readonly #fd: number;

  constructor(path: string) {
    this.#fd = openSync(path, 'r+');
  }

  arm(what: keyof typeof wants, from: number, count: number): void {
    for (const [name, value] of [
      ['what', 0],
      ['seen', 0],
      ['failed', 0],
      ['from', from],
      ['count', count],
    ] as const) {
      this.#write(name, value);
    }
    this.#write('what', wants[what]);
  }

  /** How many calls have failed since. */
  disarm(): number {
    this.#write('what', 0);
    return this.#read('failed');
  }

  close(): void {
    closeSync(this.#fd);
  }

  #write(name: keyof typeof offsets, value: number): void {
    const bytes = Buffer.alloc(8);
    bytes.writeBigInt64LE(BigInt(value));
    writeSync(this.#fd, bytes, 0, 8, offsets[name]);
  }

  #read(name: keyof typeof offsets): number {
    const bytes = Buffer.alloc(8);
    readSync(this.#fd, bytes, 0, 8, offsets[name]);
    return Number(bytes.readBigInt64LE());
  }
}

const controlPath = (bench: Bench): string => join(bench.directory, 'control');

async function preloaded(directory: string): Promise<Record<string, string>> {
  const control = join(directory, 'control');
  writeFileSync(control, Buffer.alloc(4096));
  return { LD_PRELOAD: await compile('fail', directory), FAULT_CONTROL: control };
}

/** The 1st, 2nd, 3rd ... call fails, alone or with all that follow, until a dump comes through unhurt. */
async function* failing(
  bench: Bench,
  what: 'thread' | 'memory' | 'memoryOfJavaScript',
  kinds: readonly TargetKind[],
  most: number,
): AsyncGenerator<Trial> {
  const control = new FailControl(controlPath(bench));
  try {
    for (const kind of kinds) {
      for (const count of [1, 1_000_000]) {
        for (let from = 1; from <= most; from += count > 1 && what !== 'thread' ? 4 : 1) {
          await bench.target(kind);
          await (what === 'thread' ? bench.coldSubject() : bench.subject());
          control.arm(what, from, count);
          const which = `${what}: number ${from}${count > 1 ? ' and all after it' : ''}`;
          const done = await callInWant(bench, `${which} in a dump of ${kind}`, kind);
          const failed = control.disarm();
          const trial = await closeTrial(bench, done, { thorough: from % 8 === 0 });
          if (failed === 0) break;
          yield trial;
        }
      }
    }
  } finally {
    control.disarm();
    control.close();
  }
}

export const shortageKinds: Kind[] = [
  { name: 'no-space', what: 'ENOSPC: too few bytes or inodes for images and logs', run: noSpace },
  { name: 'no-descriptor', what: 'EMFILE: 0 to 24 descriptors left', run: noDescriptor },
  {
    name: 'no-thread',
    what: 'EAGAIN: each thread that is started fails in turn',
    environment: preloaded,
    run: (bench) => failing(bench, 'thread', ['process', 'isolated'], 20),
  },
  {
    name: 'no-memory',
    what: "ENOMEM: each allocation of the addon's threads fails in turn",
    environment: preloaded,
    run: (bench) => failing(bench, 'memory', ['process', 'isolated'], bench.rounds * 20),
  },
  {
    name: 'no-memory-js',
    what: 'ENOMEM: each allocation of the addon on the JavaScript thread fails in turn',
    environment: preloaded,
    run: (bench) => failing(bench, 'memoryOfJavaScript', ['process'], bench.rounds * 10),
  },
];
