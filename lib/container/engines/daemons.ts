import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { readFile } from '../../base/files.js';
import type { Host } from '../../linux/host.js';

/** A daemon of an engine that runs on this machine. */
export interface Daemon {
  pid: number;
  program: string;
  /** The values that a flag of its command line has: `--exec-root DIR`, `--exec-root=DIR`. */
  flag: (name: string) => string[];
}

/**
 * The daemons that root has started, for each of the names. What another user calls so is not believed.
 */
export async function daemonsCalled<const Names extends readonly string[]>(
  names: Names,
  host: Host,
): Promise<{ [Index in keyof Names]: Daemon[] }> {
  const pids = (await readdir(host.procRoot)).filter((name) => /^\d+$/.test(name));
  const found = await Promise.all(pids.map((pid) => daemonOf(Number(pid), names, host)));
  const ofName = (name: string): Daemon[] =>
    found.filter((daemon) => daemon?.program === name) as Daemon[];
  return names.map(ofName) as { [Index in keyof Names]: Daemon[] };
}

async function daemonOf(
  pid: number,
  names: readonly string[],
  { procRoot }: Host,
): Promise<Daemon | undefined> {
  try {
    const directory = join(procRoot, String(pid));
    const program = (await readFile(join(directory, 'comm'), 'utf8')).trimEnd();
    if (!names.includes(program) || (await stat(directory)).uid !== 0) return undefined;
    const words = (await readFile(join(directory, 'cmdline'), 'utf8')).split('\0');
    return { pid, program, flag: (name) => valuesOf(name, words) };
  } catch {
    return undefined; // It has ended.
  }
}

function valuesOf(name: string, words: readonly string[]): string[] {
  return words.flatMap((word, index) => {
    if (word.startsWith(`--${name}=`)) return [word.slice(name.length + 3)];
    const next = words[index + 1];
    return word === `--${name}` && next !== undefined ? [next] : [];
  });
}
