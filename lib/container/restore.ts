import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { Deadline } from '../base/deadline.js';
import { CriuError, errnoOf, invalidArgValue, withNote } from '../base/errors.js';
import { readFile } from '../base/files.js';
import { type Scope, startScope } from '../base/scope.js';
import { type Criu, defaultCriu } from '../criu/criu.js';
import { requireTrustedConfig } from '../criu/environment.js';
import { excerpt, readExcerpt } from '../criu/log.js';
import type { LogFollower } from '../criu/log-follower.js';
import { versionText } from '../criu/program.js';
import { requireRoot } from '../criu/require-root.js';
import type { OperationResult } from '../criu/result.js';
import { type RuntimeCriu, runtimeEnvironment } from '../criu/runtime-environment.js';
import { checkSources } from '../images/outputs.js';
import { noteOnVersions } from '../images/version.js';
import { realHost } from '../linux/host.js';
import { runProgram } from '../linux/run-program.js';
import { signalName } from '../linux/signal-name.js';
import { requireTrusted } from '../linux/trusted.js';
import type { NativeExit } from '../native/contract.js';
import { optionsOf } from '../options/calls.js';
import type { OptionRow } from '../options/schema.js';
import type { ValidatedOptions } from '../options/validated.js';
import { checkPidFile } from '../process/pid-file.js';
import { defaultStateRoots } from './engines/state-roots.js';
import { findState } from './find.js';
import { findRuntime } from './runtime.js';

/** What the restore of a container has to tell. */
export interface RestoreContainerResult extends OperationResult {
  /** The id that was asked for. */
  containerId: string;
  /** The container's first process. */
  pid: number;
  /** Absolute path of the bundle, which the container needs for as long as it is there. */
  bundle: string;
}

/** What a container is restored from, and by. */
export interface RestoreSources {
  /** The directory of the container's `config.json`; absolute. */
  bundle: string;
  /** The directory of the images; absolute. */
  imagePath: string;
  runtime: string;
  warnings: readonly string[];
}

/**
 * Finds what a container is restored from.
 *
 * @param scope - Takes away what was made for it, when the restore fails.
 */
export type FindSources = (
  id: string,
  options: Options,
  deadline: Deadline,
  scope: Scope,
) => Promise<RestoreSources>;

/** The name that the runtimes give CRIU's log. */
const logName = 'restore.log';

/**
 * Restores a container, detached and with `/dev/null` as its standard streams where the images do not say
 * otherwise. When it is given up by its signal or its deadline, the container is deleted again as soon as
 * it is restored.
 *
 * This is the one place where a runtime is called: only it can make anew what it keeps of a container. It
 * gets the same criu.
 *
 * @param find - Finds what the options name to restore from.
 * @param follower - Is told where CRIU's log is.
 */
export async function restoreBy(
  find: FindSources,
  id: string,
  options: ValidatedOptions['restoreContainer'],
  deadline: Deadline,
  follower: LogFollower,
): Promise<RestoreContainerResult> {
  const start = performance.now();
  const { criu = defaultCriu(), ...checked } = options;
  requireRoot('restoreContainer');
  // What is made of a checkpoint stays for as long as the container, and no longer than a failure.
  return await startScope(async (scope) => {
    const { warnings, ...sources } = await find(id, checked, deadline, scope);
    const restored = await restoreFrom(id, criu, { ...checked, ...sources }, deadline, follower);
    return { ...restored, warnings, durationMs: performance.now() - start };
  });
}

async function restoreFrom(
  id: string,
  criu: Criu,
  checked: Settings,
  deadline: Deadline,
  follower: LogFollower,
): Promise<Omit<RestoreContainerResult, 'warnings' | 'durationMs'>> {
  const { imagePath, bundle, workPath = imagePath } = checked;
  const config = join(bundle, 'config.json');
  if (!existsSync(config)) {
    throw invalidArgValue('bundle', 'a directory with a config.json', bundle);
  }
  // It names programs that the runtime runs in our name.
  await deadline.bound('container', requireTrusted("the bundle's configuration", config));
  const program = await deadline.bound('runtime', findRuntime(checked.runtime));
  const log = { images: false, logs: [logName], namesLog: false };
  const sources = { imagePath, workPath: checked.workPath, log };
  await checkSources(sources, (step, undo) => deadline.bound('directory', step, undo));
  if (checked.pidFile !== undefined) {
    await deadline.bound('directory', checkPidFile(checked.pidFile));
  }
  const { installation, version } = await deadline.bound('criu', criu.ready());
  await deadline.bound('criu', requireTrustedConfig());
  const usesSystemd = await namesSystemdCgroup(config);
  const logFile = join(workPath, logName);
  if (follower.isWanted) await deadline.bound('directory', follower.attach(logFile));
  const settings = { ...checked, program, workPath, usesSystemd };
  const runtimeCriu = { binary: installation.binary, version, tar: checked.tar };
  await runRuntime(id, settings, runtimeCriu).finally(() => follower.detach());
  // A runtime that is killed leaves mounts behind, so this comes when it has ended by itself.
  if (deadline.signal.aborted) {
    await callRuntime(settings, ['delete', '--force', id]);
    throw deadline.error('runtime');
  }
  const { initPid } = await findState(id, { root: checked.stateRoot }).catch(
    async (error: unknown) => {
      // It must not run on without the files that are taken away now.
      if (checked.from !== undefined) await callRuntime(settings, ['delete', '--force', id]);
      throw error;
    },
  );
  return {
    containerId: id,
    pid: initPid,
    bundle,
    imagePath,
    logFile,
  };
}

/** The options of a restore, once they are validated. */
type Options = Omit<ValidatedOptions['restoreContainer'], 'criu'>;

/** The same with what a container is restored from. */
type Settings = Options & Pick<RestoreSources, 'bundle' | 'imagePath' | 'runtime'>;

/** A restore as the runtime gets it. */
type RuntimeSettings = Settings & {
  /** What `runtime` has been found to be. */
  program: string;
  workPath: string;
  /** The container's cgroup is a scope that systemd has to make. */
  usesSystemd: boolean;
};

/**
 * Whether a bundle names its cgroup as `slice:prefix:name`. A runtime that is not told to use systemd
 * takes that for a path, and the container has neither its limits nor a scope that systemd knows.
 */
async function namesSystemdCgroup(config: string): Promise<boolean> {
  const text = await readFile(config, 'utf8');
  let path: unknown;
  try {
    path = (JSON.parse(text) as { linux?: { cgroupsPath?: unknown } } | null)?.linux?.cgroupsPath;
  } catch {
    return false; // The runtime tells what is wrong with it.
  }
  return typeof path === 'string' && /^[^:/]*:[^:/]*:[^:/]+$/.test(path);
}

async function runRuntime(id: string, options: RuntimeSettings, criu: RuntimeCriu): Promise<void> {
  const start = Date.now();
  const missing = await missingStates(id, options);
  const scratch = mkdtempSync(join(tmpdir(), 'libcriu-'));
  try {
    const log = join(scratch, 'log');
    const outcome = await callRuntime(options, ['restore', '--detach', ...flagsOf(options), id], {
      env: await runtimeEnvironment(criu),
      log,
    });
    if (outcome.code === 0 && outcome.signal === 0) return;
    const said = await lastError(log);
    // One that exists by now is another's.
    if (!/exist/.test(said ?? '')) await removeStates(id, options, missing);
    const error = await failure(options, outcome, said, start);
    const note = await noteOnVersions(options.imagePath, versionText(criu.version));
    throw withNote(error, note ?? '');
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** Where the runtime would keep the container's state, and has none of that id. */
async function missingStates(id: string, { stateRoot }: Settings): Promise<readonly string[]> {
  const roots = stateRoot === undefined ? await defaultStateRoots(realHost) : [resolve(stateRoot)];
  return roots.map((root) => join(root, id)).filter((path) => !existsSync(path));
}

/**
 * Takes away the state that a failed restore has made, or the next one is told that the container
 * exists. crun leaves its directory.
 */
async function removeStates(
  id: string,
  options: RuntimeSettings,
  missing: readonly string[],
): Promise<void> {
  const made = missing.filter((path) => existsSync(path));
  if (made.length === 0) return;
  await callRuntime(options, ['delete', '--force', id]);
  // A state without what the runtime knows a container by is nothing that it would delete.
  for (const path of made) await rm(path, { recursive: true, force: true });
}

interface RuntimeCall {
  env?: NodeJS.ProcessEnv;
  /** Where it writes its log. */
  log?: string;
}

async function callRuntime(
  { runtime, program, stateRoot, usesSystemd }: RuntimeSettings,
  args: readonly string[],
  { env = process.env, log }: RuntimeCall = {},
): Promise<NativeExit> {
  const globalFlags = [
    ...(stateRoot === undefined ? [] : ['--root', stateRoot]),
    ...(usesSystemd ? ['--systemd-cgroup'] : []),
    ...(log === undefined ? [] : ['--log', log, '--log-format', 'json']),
  ];
  // A name that is in no directory of PATH would be sought in the working directory.
  if (!program.includes('/')) throw cannotRun(runtime, 'ENOENT');
  return await runProgram(program, [runtime, ...globalFlags, ...args], env).catch((cause) => {
    throw cannotRun(runtime, errnoOf(cause), cause);
  });
}

function cannotRun(runtime: string, code: string | undefined, cause?: unknown): CriuError {
  return new CriuError(
    code === 'ENOENT' ? 'ERR_RUNTIME_NOT_FOUND' : 'ERR_RUNTIME_FAILED',
    `Cannot run the runtime ${runtime} (${code})`,
    { operation: 'restoreContainer', cause },
  );
}

/** The runtime's flags are the options' names in its spelling. */
function flagsOf(options: RuntimeSettings): string[] {
  const given = options as Readonly<Record<string, unknown>>;
  return optionsOf('restoreContainer')
    .filter(({ name, source }) => source.startsWith('runc --') && name !== 'stateRoot')
    .flatMap((row) => flagOf(row, given[row.name]));
}

function flagOf({ name }: OptionRow, value: unknown): string[] {
  const flag = `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
  if (value === undefined || value === false) return [];
  if (value === true) return [flag];
  return [value].flat().flatMap((one) => [flag, String(one)]);
}

async function failure(
  { runtime, workPath = '' }: Settings,
  { code, signal }: NativeExit,
  said: string | undefined,
  start: number,
): Promise<CriuError> {
  const logFile = join(workPath, logName);
  // The log of an earlier try tells nothing.
  const isOurs = await stat(logFile).then(
    ({ mtimeMs }) => mtimeMs >= start,
    () => false,
  );
  const { cause, lines } = isOurs ? await readExcerpt(logFile) : excerpt('');
  const how = signal === 0 ? `ended with status ${code}` : `was killed by ${signalName(signal)}`;
  const why = cause !== undefined && !said?.includes(cause) ? `: ${cause}` : '';
  return new CriuError(
    'ERR_RUNTIME_FAILED',
    `${runtime} failed to restore the container: ${said ?? `it ${how}`}${why}`,
    { operation: 'restoreContainer', stage: 'runtime', log: lines, logFile },
  );
}

/** The sentence of the last error in a log of JSON lines. */
async function lastError(log: string): Promise<string | undefined> {
  const text = await readFile(log, 'utf8').catch(() => '');
  const messages = text.split('\n').flatMap((line) => {
    try {
      const { level, msg } = JSON.parse(line) as { level?: unknown; msg?: unknown };
      return level === 'error' && typeof msg === 'string' ? msg : [];
    } catch {
      return [];
    }
  });
  return messages.at(-1);
}
