// @ts-check
// Runs the commands of a file, one after the other, and prints what came of each as a line of JSON. It is what
// runs in the clean root, which has nothing of the tests.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** @type {string[]} */
const commands = JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8'));
for (const command of commands) {
  const startedAt = performance.now();
  // runc hands its standard streams to a container, which must not have pipes of ours.
  const { status, stdout, stderr } = spawnSync('/bin/sh', ['-c', command], {
    cwd: '/root',
    encoding: 'utf8',
    timeout: 60_000,
  });
  const ms = Math.round(performance.now() - startedAt);
  process.stdout.write(`${JSON.stringify({ command, status, stdout, stderr, ms })}\n`);
  if (status !== 0) break;
}
