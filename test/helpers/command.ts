import { expect } from 'vitest';
import type { Outside } from '../../lib/cli/command.js';
import { run } from '../../lib/cli/program.js';
import type { CheckpointResult } from '../../lib/container/checkpoint.js';
import { dumpStages } from '../../lib/criu/stages.js';
import type { CheckpointOptions } from '../../lib/options/types.js';
import { validateOptions } from '../../lib/options/validate.js';

/** How the command ended. */
export interface Ran {
  status: number;
  stdout: string;
  stderr: string;
  /** What checkpoint was called with. */
  called: { id: string; options: CheckpointOptions } | undefined;
}

/** What a checkpoint resolves to here. */
const result: Omit<CheckpointResult, 'containerId' | 'imagePath'> = {
  pid: 7,
  logFile: '/images/dump.log',
  stats: undefined,
  bytes: 0,
  files: 0,
  timings: {
    queuedMs: 0,
    prepareMs: 0,
    workerReadyMs: 0,
    freezeMs: 0,
    criuMs: 0,
    thawMs: 0,
    finishMs: 0,
    destroyMs: 0,
    stages: dumpStages({ timeline: {}, events: [] }, undefined),
    pauseMs: 0,
  },
  durationMs: 12.345,
  warnings: [],
};

/** Runs the command in a world where a checkpoint ends as is said here, or well. */
export async function libcriu(
  args: readonly string[],
  ends: (options: CheckpointOptions) => Promise<Partial<CheckpointResult>> = async () => ({}),
  outside: Partial<Outside> & { tty?: boolean } = {},
): Promise<Ran> {
  const ran: Ran = { status: -1, stdout: '', stderr: '', called: undefined };
  ran.status = await run(args, {
    stdout: { write: (text) => (ran.stdout += text) },
    stderr: { write: (text) => (ran.stderr += text), isTTY: outside.tty },
    version: '1.2.3',
    // The options are validated as the real one does it.
    checkpoint: async (id, options) => {
      validateOptions('checkpoint', options);
      const { signal: _, ...given } = options;
      ran.called = { id, options: given };
      return { ...result, containerId: id, imagePath: '/images', ...(await ends(options)) };
    },
    onInterrupt: () => () => {},
    ...outside,
  });
  return ran;
}

/** The options of a command line that succeeds in silence. */
export async function optionsFor(...args: string[]): Promise<CheckpointOptions> {
  const { status, stdout, stderr, called } = await libcriu(args);
  expect({ status, stdout, stderr, id: called?.id }).toEqual({
    status: 0,
    stdout: '',
    stderr: '',
    id: 'web',
  });
  return called?.options ?? {};
}

/** The sentence of a command line that is refused before anything is done. */
export async function refusalOf(...args: string[]): Promise<string> {
  const { status, stdout, stderr, called } = await libcriu(args);
  expect({ status, stdout, called }).toEqual({ status: 1, stdout: '', called: undefined });
  const match =
    /^time="\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ" level=error msg=("(?:[^"\\\n]|\\.)*")\n$/.exec(stderr);
  expect(stderr).toMatch(match ? '' : 'one line of text');
  return JSON.parse(match?.[1] ?? '""') as string;
}
