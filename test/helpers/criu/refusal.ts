import { expect } from 'vitest';
import type { CheckpointOptions } from '../api.js';
import { rejection } from '../rejection.js';
import { snapshotDirectory } from '../system/snapshot.js';
import type { Container } from '../workloads/container.js';

export interface Refusal {
  code: string;
  /** Parts of the sentence: the option and what was given. */
  says: readonly (string | RegExp)[];
}

/** Refused with this code and one sentence, nothing written anywhere, the container running. */
export async function isRefused(
  container: Container,
  call: () => Promise<unknown>,
  { code, says }: Refusal,
  directory = container.directory,
): Promise<void> {
  const before = snapshotDirectory(directory);
  const workingDirectory = process.cwd();
  const error = await rejection(call());
  expect({ code: error.code, message: error.message }).toEqual({
    code,
    message: expect.any(String) as string,
  });
  for (const part of says) expect(error.message).toMatch(part);
  expect(error.message).not.toMatch(/\n/);
  expect(snapshotDirectory(directory)).toEqual(before);
  expect(process.cwd()).toBe(workingDirectory);
  expect(container.isRunning).toBe(true);
  expect(container.freezer).toBe('THAWED');
}

/** The options under test, over ones that would make the checkpoint succeed. */
export const given = (container: Container, options: Record<string, unknown>): CheckpointOptions =>
  ({
    stateRoot: container.stateRoot,
    imagePath: container.path('place/images'),
    leaveRunning: true,
    ...options,
  }) as CheckpointOptions;
