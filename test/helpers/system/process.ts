import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { access, mkdir, readFile, rename } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { projectRoot } from '../paths.js';
import type { Scope } from '../scope.js';
import { runOk, until } from './exec.js';

/** The static binary of `test/workloads/NAME.c`, compiled once for each version of its source. */
export async function workloadBinary(name: string = 'workload'): Promise<string> {
  const directory = resolve(projectRoot, 'test/workloads');
  const source = join(directory, `${name}.c`);
  const text = [source, join(directory, 'common.h')].map((file) => readFileSync(file, 'utf8'));
  const hash = createHash('sha256').update(text.join('')).digest('hex').slice(0, 16);
  const cache = resolve(projectRoot, 'node_modules/.cache/libcriu-test');
  const binary = resolve(cache, `${name}-${hash}`);
  try {
    await access(binary);
    return binary;
  } catch {
    await mkdir(cache, { recursive: true });
  }
  // Under another name first: another test file may be compiling it too.
  const draft = `${binary}.${process.pid}`;
  await runOk('gcc', ['-O2', '-Wall', '-static', '-o', draft, source]);
  await rename(draft, binary);
  return binary;
}

/** One process of /proc, or undefined when there is none. */
export interface ProcessState {
  pid: number;
  parent: number;
  name: string;
  /** R, S, D, T, t, Z, ... */
  state: string;
  session: number;
  startTime: string;
}

export function processState(pid: number): ProcessState | undefined {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch {
    return undefined;
  }
  // The name may hold anything, so the fields are counted from its closing parenthesis.
  const end = stat.lastIndexOf(')');
  const fields = stat.slice(end + 2).split(' ');
  return {
    pid,
    name: stat.slice(stat.indexOf('(') + 1, end),
    state: fields[0] ?? '?',
    parent: Number(fields[1]),
    session: Number(fields[3]),
    startTime: fields[19] ?? '',
  };
}

/** Alive, neither a zombie nor gone. */
export function isAlive(pid: number): boolean {
  const state = processState(pid)?.state;
  return state !== undefined && state !== 'Z' && state !== 'X';
}

/**
 * Waits until it is in a state: one that was let go runs for a moment before it sleeps or stops
 * again. One that is still held never gets there.
 *
 * @param state - `S` asleep, `D` asleep uninterruptibly, `T` stopped.
 */
export async function reachesState(pid: number, state: 'S' | 'D' | 'T'): Promise<void> {
  await until(`process ${pid} is in state ${state}`, () => processState(pid)?.state === state);
}

/** Waits until a process runs or sleeps: CRIU has let it go. */
export async function goesOn({ pid }: { pid: number }): Promise<void> {
  await until('the process goes on', () => /[SR]/.test(processState(pid)?.state ?? ''));
}

/** Its arguments, each ended by a zero byte; nothing when it is gone. */
export function commandLine(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch {
    return '';
  }
}

/** Every process of the machine at this moment. */
export function allProcesses(): ProcessState[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((name) => processState(Number(name)))
    .filter((state) => state !== undefined);
}

/** The process that traces another one, undefined for none. */
export function tracerOf(pid: number): number | undefined {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    const tracer = Number(/^TracerPid:\s*(\d+)$/m.exec(status)?.[1] ?? 0);
    return tracer > 0 ? tracer : undefined;
  } catch {
    return undefined;
  }
}

/** What CRIU puts into a process and how it holds it: nothing of it may stay. */
export interface Traces {
  /** Address ranges with their permissions. */
  mappings: string[];
  /** A pid, 0 for none. */
  tracer: number;
}

export function tracesOf(pid: number): Traces {
  const mappings = readFileSync(`/proc/${pid}/maps`, 'utf8')
    .split('\n')
    .map((line) => line.split(' ').slice(0, 2).join(' '));
  return { mappings, tracer: tracerOf(pid) ?? 0 };
}

export interface Workload {
  pid: number;
  /** What it wrote when it was ready. */
  report: string;
  child: ChildProcess;
  /** Resolves when it is gone and reaped. */
  gone: Promise<void>;
  /** Kills it and waits until it is reaped. */
  kill(): Promise<void>;
}

export interface WorkloadOptions {
  /** Leader of its own session, as CRIU wants it; false for a shell's job. */
  session?: boolean;
  /** The program, `test/workloads/NAME.c`; the default is `workload`. */
  program?: string;
}

// The tests themselves may run in a session that is led from outside of their pid namespace, which
// CRIU refuses in any case: so the session of a job is a shell's own.
const asJob = ['/bin/sh', '-c', '"$@" >/dev/null 2>&1 & wait', 'sh'];

/** A process with nothing inherited but /dev/null, leader of its own session; killed in the end. */
function startDetached(scope: Scope, program: string, args: readonly string[]): Workload {
  const child = spawn(program, args, { detached: true, stdio: 'ignore', cwd: '/' });
  const { pid = 0 } = child;
  const gone = new Promise<void>((settle) => {
    child.once('exit', () => settle());
    child.once('error', () => settle());
  });
  const kill = async (): Promise<void> => {
    if (child.exitCode === null && child.signalCode === null) process.kill(-pid, 'SIGKILL');
    await gone;
  };
  scope.defer(kill);
  return { pid, report: '', child, gone, kill };
}

/** Starts a shell that runs a script. */
export async function startShell(scope: Scope, script: string): Promise<Workload> {
  return startDetached(scope, '/bin/sh', ['-c', script]);
}

/** Starts Node.js with a CommonJS script, which calls `ready(report)`. */
export async function startNode(
  scope: Scope,
  script: string,
  program: string = process.execPath,
): Promise<Workload> {
  const readyFile = resolve(await scope.directory(), 'ready');
  const ready = `const ready = (report) =>
    require('node:fs').writeFileSync(${JSON.stringify(readyFile)}, report + '\\n');`;
  const started = startDetached(scope, program, ['-e', `${ready}\n${script}`]);
  const report = await until('the Node.js process is ready', () => reportIn(readyFile), 20_000);
  return { ...started, report };
}

/** What a workload has written when it was ready; undefined before. */
export async function reportIn(readyFile: string): Promise<string | undefined> {
  const text = await readFile(readyFile, 'utf8').catch(() => '');
  return text.endsWith('\n') ? text.trim() : undefined;
}

/** Starts `workload MODE ARGUMENT...`, or another program, with nothing inherited but /dev/null and waits until ready. */
export async function startWorkload(
  scope: Scope,
  args: readonly (string | number)[],
  { session = true, program: name = 'workload' }: WorkloadOptions = {},
): Promise<Workload> {
  const binary = await workloadBinary(name);
  const directory = await scope.directory();
  const readyFile = resolve(directory, 'ready');
  const [program = binary, ...rest] = [...(session ? [] : asJob), binary, readyFile];
  const child = spawn(program, [...rest, ...args.map(String)], {
    detached: true,
    stdio: 'ignore',
    cwd: '/',
  });
  const gone = new Promise<void>((settle) => {
    child.once('exit', () => settle());
    child.once('error', () => settle());
  });
  const find = (): number | undefined =>
    session ? child.pid : allProcesses().find(({ parent }) => parent === child.pid)?.pid;
  const kill = async (): Promise<void> => {
    // What a tracer holds cannot die: a criu that a failed test left behind goes first.
    const pid = find();
    const tracer = pid === undefined ? undefined : tracerOf(pid);
    if (tracer !== undefined && isAlive(tracer)) process.kill(tracer, 'SIGKILL');
    if (child.pid !== undefined && child.exitCode === null && child.signalCode === null) {
      process.kill(-child.pid, 'SIGKILL');
    }
    await gone;
  };
  scope.defer(kill);
  const report = await until(
    `workload ${args.join(' ')} is ready`,
    async () => {
      if (child.exitCode !== null)
        throw new Error(`workload ${args.join(' ')} ended: ${child.exitCode}`);
      return reportIn(readyFile);
    },
    20_000,
  );
  const pid = find();
  if (pid === undefined) throw new Error(`workload ${args.join(' ')} has no pid`);
  return { pid, report, child, gone, kill };
}
