// @ts-check
// Makes this machine ready. With --json it prints what it has done, and with --quiet not how far it is.
import { StepError } from '../tools/process.mjs';
import { beQuiet, doneSteps, setUp } from '../tools/set-up.mjs';

if (process.argv.includes('--quiet')) beQuiet();
setUp().then(
  () => {
    if (process.argv.includes('--json')) process.stdout.write(`${JSON.stringify(doneSteps)}\n`);
  },
  (error) => {
    process.stderr.write(`set-up: ${error instanceof StepError ? error.message : error.stack}\n`);
    process.exitCode = 1;
  },
);
