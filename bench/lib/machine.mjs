// @ts-check
import { existsSync, readFileSync } from 'node:fs';
import { availableParallelism, cpus, freemem, release, totalmem } from 'node:os';
import { capture, StepError } from '../../tools/process.mjs';

/**
 * What the figures are from.
 *
 * @param {import('./context.mjs').Context} context
 * @returns {Promise<Record<string, string>>}
 */
export async function describeMachine({ libcriu, runc }) {
  const criu = await libcriu.version();
  const { stdout } = await capture(runc, ['--version']);
  return {
    Processor: `${availableParallelism()} cores of ${cpus()[0]?.model.trim() ?? 'unknown'}`,
    Memory: `${Math.round(totalmem() / 2 ** 30)} GiB`,
    Kernel: release(),
    Cgroups: existsSync('/sys/fs/cgroup/cgroup.controllers') ? 'v2' : 'v1',
    CRIU: [criu.major, criu.minor, criu.sublevel].join('.'),
    runc: /runc version (\S+)/.exec(stdout)?.[1] ?? 'unknown',
    'Node.js': process.versions.node,
  };
}

/**
 * Refuses what would make this machine swap.
 *
 * @param {number} mebibytes
 */
export function requireMemory(mebibytes) {
  const match = /^MemAvailable:\s+(\d+) kB/m.exec(readFileSync('/proc/meminfo', 'utf8'));
  const available = match ? Number(match[1]) / 1024 : freemem() / 2 ** 20;
  if (available < mebibytes) {
    throw new StepError(
      `it takes ${mebibytes} MiB of memory, of which ${Math.floor(available)} MiB are available`,
    );
  }
}
