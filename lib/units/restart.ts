import { mkdirSync, readFileSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Deadline } from '../base/deadline.js';
import { CriuError, errnoOf } from '../base/errors.js';
import { packageRoot } from '../base/package-root.js';
import { type Scope, withScope } from '../base/scope.js';
import { option, sentence } from '../base/sentence.js';
import { unitOf } from '../linux/systemd.js';
import type { LockSettings } from '../locks/lock.js';
import { takeNamedLock } from '../locks/named-lock.js';
import { dropInFor } from './drop-in.js';
import { isServiceRunning } from './find.js';
import { findSystemctl, systemctl } from './systemctl.js';

/** A service that is to be started from images. */
export interface ServiceRestart {
  /** With its suffix. */
  name: string;
  /** The arguments of `libcriu restore`. */
  args: readonly string[];
  lock: LockSettings;
  deadline: Deadline;
}

/** Only root reaches it. */
const runDirectory = '/run/libcriu/units';
/** Comes after the drop-ins of others. */
const dropInName = 'zz-libcriu-restore.conf';

/**
 * Has systemd start a service whose main process is restored, in the service's own cgroup. Afterwards the
 * service is what it was before it was saved: systemd knows its main process, stops it, and holds it to its
 * limits.
 *
 * @returns the id of the main process.
 * @throws CriuError `ERR_RUNTIME_NOT_FOUND` without systemd, `ERR_PROCESS_EXISTS` when the service runs,
 * `ERR_CONTAINER_BUSY` when another operation restores it, `ERR_RUNTIME_FAILED` with the cause.
 */
export async function restartFrom(restart: ServiceRestart): Promise<number> {
  return await withScope((scope) => restartIn(scope, restart));
}

async function restartIn(scope: Scope, restart: ServiceRestart): Promise<number> {
  const { name, args, deadline } = restart;
  findSystemctl();
  await lockService(scope, restart);
  if (isServiceRunning(name)) {
    throw new CriuError('ERR_PROCESS_EXISTS', `The service ${name} runs: stop it first`);
  }
  const files = filesOf(scope, name);
  const command = [process.execPath, cliPath(), '--log', files.log, '--log-format', 'json'];
  const dropIn = dropInFor({
    command: [...command, 'restore', '--pid-file', files.pid, ...args],
    pidFile: files.pid,
    environment: ownEnvironment(),
  });
  await installDropIn(scope, name, dropIn);
  // A service that was ended too often is not started any more.
  await systemctl(['reset-failed', name]);
  const starting = systemctl(['start', name]);
  const stopWhenGivenUp = deadline.whenGivenUp(() => void systemctl(['stop', '--no-block', name]));
  const { ok, said } = await starting.finally(stopWhenGivenUp);
  deadline.check('runtime');
  if (!ok) throw failure(name, lastError(files.log) ?? said);
  return mainProcess(name, files.pid);
}

async function lockService(scope: Scope, { name, lock }: ServiceRestart): Promise<void> {
  const release = await takeNamedLock('unit', name, lock);
  if (release === undefined) {
    throw new CriuError(
      'ERR_CONTAINER_BUSY',
      sentence`Another operation restores the service ${name}; ${option('wait', true)} waits for it`,
      { stage: 'runtime' },
    );
  }
  scope.defer(release);
}

/** Where the command says how it went. */
function filesOf(scope: Scope, name: string): { pid: string; log: string } {
  mkdirSync(runDirectory, { recursive: true, mode: 0o700 });
  // A name may have a backslash in it.
  const base = join(runDirectory, name.replaceAll('\\', '_'));
  const files = { pid: `${base}.pid`, log: `${base}.log` };
  const remove = (): void => {
    for (const path of Object.values(files)) rmSync(path, { force: true });
  };
  remove();
  scope.defer(remove);
  return files;
}

/** Has systemd read a drop-in, which is gone when the service has been started. */
async function installDropIn(scope: Scope, name: string, text: string): Promise<void> {
  const path = join('/run/systemd/system', `${name}.d`, dropInName);
  scope.defer(async () => {
    rmSync(path, { force: true });
    removeIfEmpty(dirname(path));
    await systemctl(['daemon-reload']);
  });
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text, { mode: 0o644 });
  const { ok, said } = await systemctl(['daemon-reload']);
  if (!ok) throw failure(name, said);
}

function removeIfEmpty(directory: string): void {
  try {
    rmdirSync(directory);
  } catch (error) {
    if (errnoOf(error) !== 'ENOTEMPTY') throw error;
  }
}

/** The command that restores reads its settings from where we have ours. */
function ownEnvironment(): Record<string, string> {
  const names = Object.keys(process.env).filter((name) => name.startsWith('LIBCRIU_'));
  return Object.fromEntries(names.map((name) => [name, process.env[name] ?? '']));
}

function cliPath(): string {
  const root = packageRoot();
  if (root !== undefined) return join(root, 'dist/cli/main.js');
  throw new CriuError(
    'ERR_RUNTIME_NOT_FOUND',
    'A bundled libcriu has no command with which systemd could restore',
  );
}

function mainProcess(name: string, pidFile: string): number {
  const pid = Number(readFileSync(pidFile, 'utf8'));
  const unit = unitOf(readFileSync(`/proc/${pid}/cgroup`, 'utf8'));
  if (unit === name) return pid;
  throw failure(name, `process ${pid} was restored, but not in its cgroup`);
}

function failure(name: string, why: string): CriuError {
  return new CriuError('ERR_RUNTIME_FAILED', `systemd could not restore ${name}: ${why}`, {
    stage: 'runtime',
  });
}

/** The sentence of the last error that the command has logged. */
function lastError(log: string): string | undefined {
  try {
    const lines = readFileSync(log, 'utf8').trim().split('\n');
    const entries = lines.map((line) => JSON.parse(line) as { level?: string; msg?: string });
    return entries.findLast(({ level }) => level === 'error')?.msg;
  } catch {
    return undefined; // it has not come so far
  }
}
