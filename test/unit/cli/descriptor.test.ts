import { spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { isOwnedByNode } from '../../../lib/cli/descriptor.js';
import { useScope } from '../../helpers/scope.js';
import { until } from '../../helpers/system/exec.js';

const scope = useScope();

/** A path of the pipe that a process has another process write to. */
async function pipeOfChild(parent: number): Promise<string> {
  const children = `/proc/${parent}/task/${parent}/children`;
  let found: string | undefined;
  await until('the pipe is there', () => {
    const outputs = readFileSync(children, 'utf8').split(' ').filter(Boolean);
    found = outputs
      .map((pid) => `/proc/${pid}/fd/1`)
      .find((path) => readlinkSync(path).startsWith('pipe:'));
    return found !== undefined;
  });
  return found ?? '';
}

describe('isOwnedByNode', () => {
  test('is false for a file and for a pipe of which one end is here, and true for one with both ends here', async () => {
    const file = openSync(join(await scope.directory(), 'status'), 'w');
    scope.defer(() => closeSync(file));
    expect(isOwnedByNode(file)).toBe(false);
    // Of this pipe both ends are elsewhere, until one is opened here.
    const shell = spawn('sh', ['-c', 'sleep 60 | cat; :'], { stdio: 'ignore', detached: true });
    scope.defer(() => process.kill(-(shell.pid ?? 0), 'SIGKILL'));
    const pipe = await pipeOfChild(shell.pid ?? 0);
    const writing = openSync(pipe, 'w');
    scope.defer(() => closeSync(writing));
    expect(isOwnedByNode(writing)).toBe(false);
    const reading = openSync(pipe, 'r');
    scope.defer(() => closeSync(reading));
    expect(isOwnedByNode(writing)).toBe(true);
  });

  test('is false for a descriptor that is not open', () => {
    expect(isOwnedByNode(9999)).toBe(false);
  });
});
