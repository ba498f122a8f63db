import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Scope } from '../scope.js';
import { childrenNamed } from '../workloads/heavy-container.js';
import { sleep, until } from './exec.js';
import { tracesOf } from './process.js';

/**
 * What strace, with these arguments, tells of the criu that waits for the next dump, and of what it starts.
 */
export async function traceSpare(
  scope: Scope,
  args: readonly string[],
  dump: () => Promise<unknown>,
): Promise<string> {
  const output = join(await scope.directory(), 'trace');
  const spare = await until('a spare criu is there, and its predecessor gone', async () => {
    const [pid, ...others] = childrenNamed('criu');
    await sleep(50);
    const isAlone = others.length === 0 && childrenNamed('criu').join() === String(pid);
    return isAlone ? pid : undefined;
  });
  const common = ['-f', '-qq', '-e', 'signal=none', '-p', String(spare), '-o', output];
  const strace = spawn('strace', [...common, ...args], { stdio: 'ignore' });
  const gone = once(strace, 'exit');
  await until('strace is attached', () => tracesOf(spare).tracer > 0);
  await dump();
  await gone;
  return readFileSync(output, 'utf8');
}
