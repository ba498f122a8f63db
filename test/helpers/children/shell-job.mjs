// @ts-check
// A shell's part: starts a job in its own session and on its own terminal, has it dumped and restored,
// and waits for its end. argv: directory of the images, file for the report.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { dump, restore } from '../../../dist/index.js';

const [imagePath = '', reportFile = ''] = process.argv.slice(2);

/** @param {number | undefined} pid */
function place(pid) {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const [, , group, session, terminal] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return { group, session, terminal };
}

const job = spawn('cat', { stdio: 'inherit' });
const ended = once(job, 'exit');
const before = place(job.pid);
await dump(job.pid ?? 0, { imagePath, shellJob: true });
await ended;
const { pid, exited } = await restore(imagePath, { shellJob: true, restoreSibling: true });
writeFileSync(
  reportFile,
  `${JSON.stringify({ own: place(process.pid), before, after: place(pid) })}\n`,
);
process.exitCode = (await exited)?.code ?? 9;
