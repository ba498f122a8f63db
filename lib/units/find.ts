import { constants } from 'node:os';
import { CriuError } from '../base/errors.js';
import { type Host, realHost } from '../linux/host.js';
import { shownPath } from '../linux/paths.js';
import { tryReadProcessStat } from '../linux/process-stat.js';
import { processesBelow, rootsOf, runningServices } from '../linux/services.js';
import { nearest } from '../options/suggest.js';
import { systemctl } from './systemctl.js';

/** A service of systemd that runs. */
export interface RunningService {
  /** With its suffix. */
  name: string;
  /** Its main process. */
  pid: number;
  /** A sentence for each process of it that is not below the main process. */
  leftOut: readonly string[];
}

/**
 * Finds the main process of a service by its cgroup. systemd is asked only if more than one process could
 * be it.
 *
 * @param name - With its suffix.
 * @throws CriuError `ERR_PROCESS_NOT_FOUND` when the service does not run.
 */
export async function findService(name: string, host: Host = realHost): Promise<RunningService> {
  const services = runningServices(host);
  const cgroup = services.get(name);
  const pids = cgroup === undefined ? [] : processesBelow(cgroup);
  const roots = rootsOf(pids, host);
  const [first, ...others] = roots;
  if (first === undefined) throw notRunning(name, [...services.keys()]);
  const pid = others.length === 0 ? first : await askMainPid(name, roots);
  const leftOut = roots.filter((root) => root !== pid).map((root) => sentenceOn(root, name));
  return { name, pid, leftOut };
}

/** Whether a service has processes. */
export function isServiceRunning(name: string, host: Host = realHost): boolean {
  const cgroup = runningServices(host).get(name);
  return cgroup !== undefined && rootsOf(processesBelow(cgroup), host).length > 0;
}

async function askMainPid(name: string, roots: readonly number[]): Promise<number> {
  const { stdout } = await systemctl(['show', '--property=MainPID', '--value', name]);
  const pid = Number(stdout);
  if (roots.includes(pid)) return pid;
  throw new CriuError(
    'ERR_PROCESS_NOT_FOUND',
    `The service ${name} has several processes (${roots.join(', ')}), and systemd takes none of them for ` +
      'the main one: give the id of one of them',
    { errno: constants.errno.ESRCH },
  );
}

function notRunning(name: string, running: readonly string[]): CriuError {
  const meant = nearest(name, running);
  const hint = meant === undefined ? '' : `; did you mean ${meant}?`;
  return new CriuError('ERR_PROCESS_NOT_FOUND', `The service ${name} does not run${hint}`, {
    errno: constants.errno.ESRCH,
  });
}

function sentenceOn(pid: number, unit: string): string {
  const name = shownPath(tryReadProcessStat(pid)?.name ?? '');
  return (
    `Process ${pid} (${name}) is of ${unit} but not below its main process: it is not saved, and systemd ` +
    'ends it with the service'
  );
}
