import { resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { reason } from '../base/errors.js';
import { requireTrusted } from '../linux/trusted.js';
import { goJson } from './go-json.js';
import type { ContainerHook, ContainerState } from './state/container.js';

const maxOutput = 64 * 1024;
/**
 * How long a failed hook's output is waited for: something that it left running may hold it open.
 */
const outputMs = 1_000;

/** The OCI state of a container that is no more, in its runtime's own form. */
export function stoppedState(container: ContainerState): string {
  const { id, bundle, annotations, ociVersion } = container;
  const members: [string, Parameters<typeof goJson>[0]][] =
    container.runtime === 'runc'
      ? [
          ['ociVersion', ociVersion],
          ['id', id],
          ['status', 'stopped'],
          // There is no pid, because Go leaves out a zero.
          ['bundle', bundle],
        ]
      : [
          ['ociVersion', ociVersion],
          ['id', id],
          ['pid', 0],
          ['root', container.configuredRootfs],
          ['bundle', bundle],
          ['status', 'stopped'],
        ];
  if (annotations.size > 0) members.push(['annotations', annotations]);
  return `{${members.map(([key, value]) => `${goJson(key)}:${goJson(value)}`).join(',')}}`;
}

/**
 * Looks, before anything is touched, at the programs that will run in our name.
 *
 * @throws CriuError `ERR_UNTRUSTED_PATH` when another user can have written one.
 */
export async function requireTrustedHooks({ poststopHooks }: ContainerState): Promise<void> {
  for (const { path } of poststopHooks) await requireTrusted('the poststop hook', resolve(path));
}

/**
 * Runs the hooks that follow a container's end, one after the other, and tells of each that failed.
 * runc stops at the first failure, crun goes on.
 */
export async function runPoststopHooks(container: ContainerState): Promise<readonly string[]> {
  const state = stoppedState(container);
  const failures: string[] = [];
  for (const [index, hook] of container.poststopHooks.entries()) {
    try {
      // crun runs hooks in the bundle, runc in its own working directory.
      await runHook(hook, state, container.runtime === 'crun' ? container.bundle : undefined);
    } catch (error) {
      failures.push(`error running poststop hook #${index}: ${reason(error)}`);
      if (container.runtime === 'runc') break;
    }
  }
  return failures;
}

async function runHook(hook: ContainerHook, stdin: string, cwd: string | undefined): Promise<void> {
  // Few containers have such hooks, and node:child_process is slow to load.
  const { spawn } = process.getBuiltinModule('node:child_process');
  const child = spawn(resolve(hook.path), hook.args.slice(1), {
    argv0: hook.args[0] ?? hook.path,
    stdio: 'pipe',
    ...(cwd === undefined ? {} : { cwd }),
    ...(hook.env === undefined ? {} : { env: environment(hook.env) }),
  });
  const stdout = collect(child.stdout);
  const stderr = collect(child.stderr);
  // A hook need not read what it is given.
  child.stdin.on('error', () => {});
  child.stdin.end(stdin);

  let timedOut = false;
  const timer =
    hook.timeoutMs === undefined
      ? undefined
      : setTimeout(() => {
          timedOut = true;
          child.kill('SIGKILL');
        }, hook.timeoutMs);
  try {
    const ended = await new Promise<string | undefined>((done, failed) => {
      child.on('error', failed);
      child.on('exit', (code, signal) => {
        const how = signal === null ? `exit status ${code}` : `signal: ${signal}`;
        done(code === 0 ? undefined : how);
      });
    });
    if (timedOut) {
      const seconds = ((hook.timeoutMs ?? 0) / 1000).toFixed(1);
      throw new Error(`hook ran past specified timeout of ${seconds}s`);
    }
    if (ended !== undefined) {
      await Promise.race([Promise.all([stdout.ended, stderr.ended]), sleep(outputMs)]);
      throw new Error(`${ended}, stdout: ${stdout.text()}, stderr: ${stderr.text()}`);
    }
  } finally {
    clearTimeout(timer);
    // What the hook left running may hold its output open; nobody reads it any more.
    child.stdout.destroy();
    child.stderr.destroy();
  }
}

/** The start of a stream's text: enough to tell what went wrong. */
function collect(stream: NodeJS.ReadableStream): { ended: Promise<void>; text: () => string } {
  let text = '';
  stream.setEncoding('utf8');
  stream.on('data', (chunk: string) => {
    if (text.length < maxOutput) text += chunk.slice(0, maxOutput - text.length);
  });
  const ended = new Promise<void>((done) => {
    stream.on('end', done);
    stream.on('error', () => done());
  });
  return { ended, text: () => text.trimEnd() };
}

function environment(entries: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    entries.map((entry) => {
      const at = entry.indexOf('=');
      return at < 0 ? [entry, ''] : [entry.slice(0, at), entry.slice(at + 1)];
    }),
  );
}
