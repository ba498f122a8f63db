import { tracingChannel } from 'node:diagnostics_channel';
import { debuglog } from 'node:util';

/** What subscribers get of an operation: Node.js adds the result or the error, when there is one. */
interface Trace {
  operation: string;
}

const channel = tracingChannel<unknown, Trace>('libcriu:operation');
/** With `NODE_DEBUG=libcriu`. */
const log = debuglog('libcriu');
let count = 0;

/**
 * Runs an operation for those who listen: on the channel `tracing:libcriu:operation`, and in the log of
 * `NODE_DEBUG`. Where nobody does, it is only run.
 */
export function traced<T>(operation: string, run: () => Promise<T>): Promise<T> {
  const told = log.enabled ? () => logged(operation, run) : run;
  if (!channel.hasSubscribers) return told();
  return channel.tracePromise(told, { operation });
}

async function logged<T>(operation: string, run: () => Promise<T>): Promise<T> {
  count += 1;
  const name = `${operation} ${count}`;
  const start = performance.now();
  const after = (): string => `after ${(performance.now() - start).toFixed(1)} ms`;
  log('%s begins', name);
  try {
    const result = await run();
    log('%s ends %s', name, after());
    return result;
  } catch (error) {
    log('%s fails %s: %s', name, after(), error instanceof Error ? error.message : error);
    throw error;
  }
}
