import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { reason } from '../../base/errors.js';
import { readFile } from '../../base/files.js';
import { Criu } from '../../criu/criu.js';
import { isOlder, tooOld, versionText } from '../../criu/program.js';
import type { Host } from '../../linux/host.js';
import { findProgram } from '../../linux/paths.js';
import { readProcessStat } from '../../linux/process-stat.js';
import { requireTrusted } from '../../linux/trusted.js';
import type { EngineName } from '../../options/engine-names.js';
import type { Container } from '../state/container.js';
import type { EngineProblem } from './engine.js';
import { engineOf } from './identify.js';

const finding = 'engine-criu';

/** Where engines look for programs if nothing tells of theirs. */
export const usualPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** The programs by which engines keep a container, each with the `PATH` of its engine. */
const monitors = /^(conmon|containerd-shim)/;

/**
 * Compares the CRIU with which a container's engine will restore it with the one that saves it. The
 * engine starts the criu that is first in its own `PATH`.
 *
 * @param criu - Saves the container.
 * @returns undefined where nothing stands in the way, or no engine restores it.
 */
export async function findEngineCriuProblem(
  container: Container,
  criu: Criu,
  host: Host,
): Promise<EngineProblem | undefined> {
  const engine = engineOf(container);
  if (engine === 'runc' || engine === 'crun') return undefined;
  const path = await pathOfMonitor(container.initPid, host);
  const binary = await findProgram(path, 'criu', host.systemRoot);
  if (binary === undefined) {
    const message = `${engine} finds no criu in its PATH (${path}), and cannot restore the container without it`;
    return { finding, engine, message, code: 'ERR_CRIU_NOT_FOUND' };
  }
  if (await isSame(binary, (await criu.installation()).binary)) return undefined;
  try {
    return await compare(engine, binary, criu);
  } catch (error) {
    const message = `It is not known whether ${engine} can restore with ${binary}: ${reason(error)}`;
    return { finding, engine, message, code: undefined };
  }
}

/** The `PATH` of the engine that has started a container, as its monitor process has inherited it. */
async function pathOfMonitor(initPid: number, host: Host): Promise<string> {
  const parent = readProcessStat(initPid, host.procRoot)?.parent;
  if (parent === undefined || parent <= 1) return usualPath;
  try {
    const name = readProcessStat(parent, host.procRoot)?.name ?? '';
    return monitors.test(name) ? await pathOf(parent, host) : usualPath;
  } catch {
    return usualPath; // It has ended.
  }
}

/** The `PATH` of a process of an engine. */
export async function pathOf(pid: number, { procRoot }: Host): Promise<string> {
  try {
    const environment = await readFile(join(procRoot, String(pid), 'environ'), 'utf8');
    const entry = environment.split('\0').find((one) => one.startsWith('PATH='));
    return entry?.slice('PATH='.length) || usualPath;
  } catch {
    return usualPath; // It has ended.
  }
}

async function isSame(one: string, other: string): Promise<boolean> {
  const [a, b] = await Promise.all([stat(one), stat(other).catch(() => undefined)]);
  return a.dev === b?.dev && a.ino === b.ino;
}

async function compare(
  engine: EngineName,
  binary: string,
  criu: Criu,
): Promise<EngineProblem | undefined> {
  await requireTrusted("the engine's criu", binary);
  // Its worker ends with the question.
  const theirs = new Criu({ binary, workers: 0 });
  const [saves, restores] = [await criu.version(), await theirs.version()];
  const why = tooOld(restores);
  const told = `criu ${versionText(restores)} at ${binary}, with which ${engine} restores,`;
  if (why !== undefined)
    return { finding, engine, message: `${told} ${why}`, code: 'ERR_CRIU_TOO_OLD' };
  if (!isOlder(restores, saves)) return undefined;
  const message = `${told} does not read all that criu ${versionText(saves)} writes`;
  return { finding, engine, message, code: undefined };
}
