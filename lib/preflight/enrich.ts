import { CriuError } from '../base/errors.js';
import type { Finding, Severity } from '../base/finding.js';
import { type Sentence, sentence } from '../base/sentence.js';
import { Budget } from '../linux/procfs.js';
import { type Inspection, inspect } from './inspect.js';

/** A failure waits no longer than this for its explanation. */
const patienceMs = 1_500;
/** What CRIU fails for, as opposed to what it saves. */
const refusals: ReadonlySet<Severity> = new Set(['fails', 'needs-option']);
/** The message has to stay readable. */
const toldInMessage = 3;

/**
 * Gives the error of a dump that CRIU refused with what {@link inspect} finds: as `findings`, and
 * with the cures in its message. Gives the error itself when there is nothing to add; never throws,
 * and takes at most 1.5 s.
 *
 * @param leftMs - How long the caller can wait, if that is less.
 */
export async function enrich<E>(
  error: E,
  inspection: Inspection,
  leftMs: number = patienceMs,
): Promise<E | CriuError> {
  const ms = Math.min(leftMs, patienceMs);
  if (!(error instanceof CriuError) || !isCrius(error)) return error;
  const findings = await within(ms, inspect(inspection, new Budget(ms)));
  const causes = findings?.filter(({ severity }) => refusals.has(severity)) ?? [];
  if (findings === undefined || causes.length === 0) return error;
  return error.with({ findings }, withCauses(error.sentence, causes));
}

/** The sentence of a failure with its possible causes, the worst first. */
function withCauses(failed: Sentence, causes: readonly Finding[]): Sentence {
  const told = causes
    .slice(0, toldInMessage)
    .reduce<Sentence>((text, cause) => sentence`${text}. ${cause.sentence}`, failed);
  const more = causes.length - toldInMessage;
  return more > 0 ? sentence`${told}. And ${more} more findings` : told;
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
