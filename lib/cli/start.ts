import { readFileSync } from 'node:fs';
import process from 'node:process';
import { checkpoint } from '../archive/checkpoint.js';
import { run } from './program.js';

const interrupts = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

function version(): string {
  const manifest = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(manifest) as { version: string }).version;
}

function onInterrupt(listener: (signal: string) => void): () => void {
  for (const name of interrupts) process.on(name, listener);
  return () => {
    for (const name of interrupts) process.off(name, listener);
  };
}

/** Runs the command with the arguments of this process, and leaves its status. */
export function start(): void {
  // The reader may close the pipe when it has seen enough, as head(1) does: that is no failure.
  process.stdout.on('error', () => {});

  run(process.argv.slice(2), {
    stdout: process.stdout,
    // It is opened only when something is to be read.
    get input() {
      return process.stdin;
    },
    output: process.stdout.isTTY ? undefined : process.stdout,
    stderr: process.stderr,
    version: version(),
    checkpoint,
    onInterrupt,
  }).then(
    (status) => {
      process.exitCode = status;
    },
    (error: unknown) => {
      process.exitCode = 1;
      process.stderr.write(`${String(error)}\n`);
    },
  );
}
