// @ts-check
import { StepError } from '../tools/process.mjs';
import { setUp } from '../tools/set-up.mjs';

setUp().catch((error) => {
  process.stderr.write(`set-up: ${error instanceof StepError ? error.message : error.stack}\n`);
  process.exitCode = 1;
});
