import { lstat } from 'node:fs/promises';
import { join } from 'node:path';
import { CriuError, reason } from '../../base/errors.js';
import { readFile } from '../../base/files.js';
import type { Host } from '../../linux/host.js';
import { leadsNowhere } from '../../linux/paths.js';
import type { ContainerState } from './container.js';
import { crunConfigFile, crunStatusFile, parseCrunState } from './crun.js';
import { readStateFile, readStateWhole } from './json-value.js';
import { parseRuncState, runcStateFile } from './runc.js';

/** runc's rule: the real root looks in `/run/runc` whatever the environment says. */
export async function runcStateRoot(host: Host): Promise<string> {
  const standard = join(host.systemRoot, '/run/runc');
  const runtimeDir = host.env['XDG_RUNTIME_DIR'];
  if (runtimeDir === undefined || runtimeDir === '') return standard;
  const isRealRoot = host.euid === 0 && !(await inUserNamespace(host));
  const isNamedRoot = host.euid === 0 && host.env['USER'] === 'root';
  return isRealRoot || isNamedRoot ? standard : join(runtimeDir, 'runc');
}

/** crun's rule: the environment counts for root too. */
export function crunStateRoot(host: Host): string {
  const runtimeDir = host.env['XDG_RUNTIME_DIR'];
  if (runtimeDir === undefined || runtimeDir === '') return join(host.systemRoot, '/run/crun');
  return join(runtimeDir, 'crun');
}

/** Reads the state of a container; undefined where the state root has none of that id. */
export async function readState(
  stateRoot: string,
  id: string,
  host: Host,
): Promise<ContainerState | undefined> {
  const stateDir = join(stateRoot, id);
  const runc = await readStateWhole(join(stateDir, runcStateFile));
  // What was reached without a link is in a directory.
  if (runc?.isDirect !== true && !(await isDirectory(stateDir))) return undefined;
  if (runc !== undefined) {
    const state = parseRuncState(stateRoot, id, runc.bytes.toString('utf8'));
    return { ...state, isLocal: runc.isDirect && runc.isLocal };
  }
  const status = await readStateFile(join(stateDir, crunStatusFile));
  if (status === undefined) return undefined;
  const config = await readStateFile(join(stateDir, crunConfigFile));
  if (config === undefined) {
    throw new CriuError(
      'ERR_CONTAINER_CORRUPT',
      `${join(stateDir, crunConfigFile)} does not exist beside ${crunStatusFile}`,
    );
  }
  return parseCrunState(stateRoot, id, { status, config }, host);
}

async function isDirectory(path: string): Promise<boolean> {
  try {
    const stat = await lstat(path);
    if (stat.isDirectory()) return true;
  } catch (error) {
    if (leadsNowhere(error)) return false;
    throw new CriuError('ERR_CRIU_PERMISSION', `${path} cannot be read: ${reason(error)}`, {
      cause: error,
    });
  }
  // A link would lead to another container's state, or out of the state root.
  throw new CriuError('ERR_CONTAINER_CORRUPT', `${path} is not a directory`);
}

/** The initial user namespace maps every id to itself. */
async function inUserNamespace(host: Host): Promise<boolean> {
  try {
    const map = await readFile(`${host.procRoot}/self/uid_map`, 'utf8');
    return !/^\s*0\s+0\s+4294967295\s*$/.test(map);
  } catch {
    return false;
  }
}
