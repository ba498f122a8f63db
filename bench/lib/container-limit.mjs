// @ts-check
// What CRIU alone takes for a container: libcriu in C, over a worker that was started ahead.

/**
 * Fields of CRIU's request by their names, numbers and flags only.
 *
 * @typedef {Readonly<Record<string, number>>} Settings
 */

/** What a limit is called: the worker was started and the cgroup is frozen when CRIU is asked. */
export const inC = 'libcriu in C, worker and freezer ready';

/** Values of the field `network_lock`. */
const networkLocks = { nftables: 2, skip: 3 };

/** @type {Readonly<Record<'nothing' | 'connections' | 'fast', Settings>>} */
export const containerSettings = {
  /** In its network is nothing to be lost. */
  nothing: { network_lock: networkLocks.skip },
  connections: { network_lock: networkLocks.nftables, tcp_established: 1 },
  fast: { network_lock: networkLocks.skip, manage_cgroups_mode: 0, log_level: 2 },
};

/**
 * What the harness is told of a container as it runs now.
 *
 * @param {import('./ticking.mjs').TickingContainer} container
 * @param {Settings} settings
 * @returns {Promise<readonly (string | number)[]>} after the images directory: see {@link dumpContainer}
 */
export async function requestWords(container, settings) {
  const { pid, fields } = await container.facts();
  const { freeze_cgroup: cgroup = '', config_file: _, ...others } = fields;
  const words = Object.entries({ ...others, ...settings }).flatMap(wordsOf);
  return [pid, 'freezer', cgroup, 'freeze_cgroup', cgroup, ...words];
}

/**
 * One setting, or several of the same name.
 *
 * @param {[name: string, value: unknown]} field
 * @returns {readonly (string | number)[]}
 */
function wordsOf([name, value]) {
  if (Array.isArray(value)) {
    return value.flatMap((one) => [name, ...(Array.isArray(one) ? one : [one])]);
  }
  return [name, typeof value === 'boolean' ? Number(value) : String(value)];
}

/**
 * @param {import('./context.mjs').Context} context
 * @param {string} imagePath
 * @param {readonly (string | number)[]} words
 * @returns {Promise<number>} milliseconds
 */
export function dumpContainer({ harness }, imagePath, [pid = 0, ...words]) {
  return harness.command('dump', 'spare', pid, imagePath, ...words);
}
