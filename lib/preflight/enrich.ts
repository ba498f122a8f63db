import { CriuError } from '../base/errors.js';
import type { Finding } from '../base/finding.js';
import { Budget } from '../linux/procfs.js';
import { type Inspection, inspect } from './inspect.js';

/** A failure waits no longer than this for its explanation. */
const patienceMs = 1_500;
/** The message has to stay readable. */
const toldInMessage = 3;

/** An error of a dump that knows what may have been the cause. */
export interface ExplainedError extends CriuError {
  /** What stands in the way of a dump, the worst first. */
  findings?: readonly Finding[];
}

/**
 * Adds to the error of a dump that CRIU refused what {@link inspect} finds: as `findings`, and the
 * cures to its message. Gives the same error; never throws, and takes at most 1.5 s.
 */
export async function enrich<E>(
  error: E,
  inspection: Inspection,
  ms: number = patienceMs,
): Promise<E> {
  if (!(error instanceof CriuError) || !isCrius(error)) return error;
  const findings = await within(ms, inspect(inspection, new Budget(ms)));
  const causes = findings?.filter(({ severity }) => severity !== 'notice') ?? [];
  if (findings === undefined || causes.length === 0) return error;
  try {
    const told = causes.slice(0, toldInMessage).map(({ message }) => message);
    const more = causes.length - told.length;
    const message = `${error.message}. ${told.join('. ')}${more > 0 ? `. And ${more} more findings` : ''}`;
    error.stack = error.stack?.replace(error.message, () => message) ?? message;
    error.message = message;
    Object.defineProperty(error, 'findings', { value: findings, enumerable: true });
  } catch {
    // An error that somebody has frozen stays as it is.
  }
  return error;
}

function isCrius({ code }: CriuError): boolean {
  return code === 'ERR_CRIU_FAILED' || code === 'ERR_CRIU_DIED' || code === 'ERR_CRIU_TIMEOUT';
}

/** What the promise gives, or undefined when it fails or takes too long. */
async function within<T>(ms: number, promise: Promise<T>): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } catch {
    return undefined;
  } finally {
    clearTimeout(timer);
    promise.catch(() => {});
  }
}
