import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { distCli } from './paths.js';
import type { Scope } from './scope.js';
import { until } from './system/exec.js';

/** A command that goes on until something has happened. */
export interface RunningCommand {
  child: ChildProcess;
  /** Resolves when it has printed a whole line, with all that it has printed. */
  firstLine(): Promise<string>;
  /** Resolves when it has ended, with all that it has printed. */
  ended: Promise<{ code: number | null; stdout: string; stderr: string }>;
}

/** Starts `libcriu` as a user runs it; it is killed in the end. */
export function startCommand(scope: Scope, ...args: string[]): RunningCommand {
  const child = spawn(process.execPath, [distCli, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const ended = once(child, 'close').then(([code]) => ({
    code: code as number | null,
    stdout,
    stderr,
  }));
  scope.defer(async () => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
    await ended;
  });
  const firstLine = (): Promise<string> =>
    until(`libcriu ${args[0]} tells that it is ready`, () => {
      if (child.exitCode !== null) throw new Error(`It has ended: ${stderr}${stdout}`);
      return stdout.includes('\n') ? stdout : undefined;
    });
  return { child, firstLine, ended };
}
