import { appendFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Run } from '../../../scripts/support/cells.mjs';
import type { Scope } from '../cleanup.js';
import { prefix, projectRoot } from '../paths.js';
import { runOk } from '../system/exec.js';
import { workloadBinary } from '../system/process.js';

/** The program of a cell. A virtual machine has it, too. */
export const passThroughProgram: string = resolve(projectRoot, 'test/support/pass-through.mjs');

/** What it tells. */
export interface Told {
  node: string;
  kernel: string;
  /** The version of CRIU with which a process was saved and restored. */
  criu?: string;
  /** What kept it from that. */
  code?: string;
  message?: string;
}

/**
 * The releases of CRIU for which `npm run test:support` asks, by their versions: where each is. Without it there
 * is the one with which all tests are run.
 */
export function askedReleases(): ReadonlyMap<string, string> {
  const asked = process.env['LIBCRIU_SUPPORT_CRIU'] ?? `own=${prefix}`;
  const pairs = asked.split(',').map((pair) => pair.split('='));
  return new Map(pairs.map(([version = '', place = '']) => [version, place]));
}

/** Saves and restores a process with a release of Node.js and one of CRIU. */
export async function passThrough(scope: Scope, node: string, criuPrefix: string): Promise<Told> {
  const directory = await scope.directory();
  const args = [passThroughProgram, criuPrefix, await workloadBinary(), directory];
  const env = { ...process.env, HOME: join(directory, 'home') };
  return JSON.parse(await runOk(node, args, { env })) as Told;
}

/** Tells that a cell of the table was run, to whoever has asked for it by `LIBCRIU_SUPPORT_REPORT`. */
export function recordRun(run: Omit<Run, 'system'> & Partial<Pick<Run, 'system'>>): void {
  const file = process.env['LIBCRIU_SUPPORT_REPORT'];
  const line: Run = { system: `linux-${process.arch}-gnu`, ...run };
  if (file !== undefined) appendFileSync(file, `${JSON.stringify(line)}\n`);
}
