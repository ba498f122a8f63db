import { readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { requireNeeds } from '../../helpers/needs.js';
import { projectRoot } from '../../helpers/paths.js';
import { useScope } from '../../helpers/scope.js';
import { runOk } from '../../helpers/system/exec.js';
import { startContainer } from '../../helpers/workloads/container.js';

const scope = useScope();
beforeAll(() =>
  requireNeeds('root', 'criu', 'libcriu', 'build', 'runc', 'busybox', 'gcc', 'strace'),
);

interface Call {
  pid: number;
  name: string;
  text: string;
  result: number;
}

/** strace prints a call that another thread interrupts as two lines; they are put together again. */
function parseTrace(trace: string): Call[] {
  const calls: Call[] = [];
  const unfinished = new Map<number, string>();
  for (const line of trace.split('\n')) {
    const match = /^(\d+) +(.*)$/.exec(line);
    if (match === null) continue;
    const pid = Number(match[1]);
    let text = match[2] ?? '';
    if (text.endsWith('<unfinished ...>')) {
      unfinished.set(pid, text.replace(/ ?<unfinished \.\.\.>$/, ''));
      continue;
    }
    const resumed = /^<\.\.\. \w+ resumed>(.*)$/.exec(text);
    if (resumed) text = `${unfinished.get(pid) ?? ''}${resumed[1]}`;
    const call = /^(\w+)\((.*)\) += (-?\d+)/.exec(text);
    if (call)
      calls.push({ pid, name: call[1] ?? '', text: call[2] ?? '', result: Number(call[3]) });
  }
  return calls;
}

test('a checkpoint executes no runc and does not fork the Node process', async () => {
  const container = await startContainer(scope);
  const trace = join(await scope.directory(), 'trace');
  const options = {
    stateRoot: container.stateRoot,
    imagePath: container.path('images'),
    leaveRunning: true,
  };
  const child = join(projectRoot, 'test/helpers/children/checkpoint.mjs');
  await runOk('strace', [
    '-f',
    '-qq',
    '-s',
    '4096',
    '-o',
    trace,
    '-e',
    'trace=clone,clone3,fork,vfork,execve',
    '-e',
    'signal=none',
    process.execPath,
    child,
    container.id,
    JSON.stringify(options),
  ]);
  const calls = parseTrace(await readFile(trace, 'utf8'));
  const node = calls[0]?.pid ?? 0;
  expect(calls[0]?.text).toContain(process.execPath);

  const threads = new Set([node]);
  const spawned = new Set<number>();
  const creations = calls.filter(({ name, result }) => name !== 'execve' && result > 0);
  // A thread may be seen to act before the call that made it is seen to return.
  for (let known = -1; known !== threads.size; ) {
    known = threads.size;
    for (const { pid, text, result } of creations) {
      if (threads.has(pid) && text.includes('CLONE_THREAD')) threads.add(result);
    }
  }
  for (const { pid, name, text, result } of creations) {
    if (!threads.has(pid) || text.includes('CLONE_THREAD')) continue;
    spawned.add(result);
    // posix_spawn: memory shared and the caller waiting, so nothing of the heap is copied.
    if (name !== 'vfork') expect(text).toMatch(/CLONE_VM\|CLONE_VFORK/);
  }
  expect(spawned.size).toBeGreaterThan(0);
  const executed = calls.filter(({ name, result }) => name === 'execve' && result === 0);
  const path = ({ text }: Call): string => basename(/^"([^"]*)"/.exec(text)?.[1] ?? '');
  // criu_guard is ours: it thaws what we froze, should this process be killed.
  const programs = new Set(executed.filter(({ pid }) => spawned.has(pid)).map(path));
  programs.delete('criu_guard');
  expect([...programs]).toEqual(['criu']);
  expect(executed.map(path)).not.toContain('runc');
  expect(executed.filter(({ pid }) => threads.has(pid) && pid !== node)).toEqual([]);
});
