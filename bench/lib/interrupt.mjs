// @ts-check
import { StepError } from '../../tools/process.mjs';

let interrupted = false;

/** From now on a signal ends the run at the next {@link checkInterrupt}, so that all is undone. */
export function catchInterrupts() {
  for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP'])) {
    process.on(signal, () => {
      if (!interrupted) {
        process.stderr.write('\nbench: interrupted, clearing up\n');
      }
      interrupted = true;
    });
  }
}

/** Whether a signal has come. */
export const isInterrupted = () => interrupted;

/** Called between any two measurements. */
export function checkInterrupt() {
  if (interrupted) {
    throw new StepError('interrupted');
  }
}
