import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { checkpoint } from '../helpers/api.js';
import {
  isInStep,
  logAfter,
  logOf,
  startAppending,
  uniqueName,
} from '../helpers/engines/appender.js';
import { type Podman, usePodman } from '../helpers/engines/podman.js';
import { reportLine } from '../helpers/engines/report.js';
import { useScope } from '../helpers/scope.js';

const rounds = 20;
/** For what hangs: some seconds are usual for a round. */
const timeout = rounds * 30_000;

/** Makes an archive of a container that runs on. */
type Save = (name: string, file: string) => Promise<unknown>;

const ours: Save = (name, file) => checkpoint(name, { export: file, leaveRunning: true });
const its: Save = (name, file) =>
  podman.call('container', 'checkpoint', '--leave-running', '--export', file, name);

const scope = useScope();
let podman: Podman;
usePodman((started) => {
  podman = started;
});

/** Saves a container again and again, and counts what podman restores of it. */
async function restoredRounds(
  kind: string,
  save: Save,
): Promise<{ restored: number; inStep: number }> {
  const name = await startAppending(podman, uniqueName(kind));
  const directory = await scope.directory();
  let restored = 0;
  let inStep = 0;
  for (let round = 0; round < rounds; round += 1) {
    const file = join(directory, `${round}.tar`);
    const again = uniqueName(`${kind}-${round}`);
    const isRestored = await save(name, file)
      .then(() => podman.restore(again, '--import', file, '--name', again))
      .then(
        () => true,
        () => false,
      );
    if (isRestored) {
      restored += 1;
      const { length } = await logOf(podman, again);
      if (isInStep(await logAfter(podman, again, length))) inStep += 1;
    }
    await podman.remove(again);
    await rm(file, { force: true });
  }
  // The one that they were made of has run on.
  const { length } = await logOf(podman, name);
  expect(isInStep(await logAfter(podman, name, length))).toBe(true);
  await podman.remove(name);
  return { restored, inStep };
}

describe('archives of a container of podman that runs on and appends to a file', () => {
  test('are restored with the file and the memory in step, every time; beside them its own', {
    timeout: 2 * timeout,
  }, async () => {
    const engine = await podman.version();
    const own = await restoredRounds('own', its);
    reportLine({ steps: { engine, by: 'podman', rounds, ...own } });
    const made = await restoredRounds('ours', ours);
    reportLine({ steps: { engine, by: 'libcriu', rounds, ...made } });
    expect(made).toEqual({ restored: rounds, inStep: rounds });
  });
});
