/** How a check has ended. What `fails` stands in the way of every dump. */
export type CheckStatus = 'ok' | 'warning' | 'fails';

/**
 * What a check is about. The list grows: a new version may add some, so go by the `status` of those that you
 * do not know.
 */
export const checkCodes = [
  'root',
  'capabilities',
  'addon',
  'criu',
  'library',
  'kernel',
  'memory-tracking',
  'lazy-pages',
  'nftables',
  'kernel-data-cache',
  'cgroups',
  'pipe-size',
  'space',
  'runtime',
  'engine',
] as const;

/** One of {@link checkCodes}. */
export type CheckCode = (typeof checkCodes)[number];

/** What one check has found. */
export interface Check {
  code: CheckCode;
  status: CheckStatus;
  /** What it is about, where there can be several: the name of a runtime or engine, a path. */
  subject: string | undefined;
  /** What was found, in a sentence. */
  message: string;
  /** What helps, in a sentence; undefined where nothing has to be helped. */
  cure: string | undefined;
}

/** What there is to say of this machine. */
export interface Diagnosis {
  /** Whether nothing fails. There may be warnings. */
  ok: boolean;
  /** In the order in which one thing needs the other. */
  checks: Check[];
}

/** One or several checks that are made together. */
export interface Question {
  /** What is told when there is no answer. */
  code: CheckCode;
  /** What is looked at, for that sentence. */
  what: string;
  ask: () => Promise<readonly Check[]>;
}

export function passed(code: CheckCode, message: string, subject?: string): Check {
  return { code, status: 'ok', subject, message, cure: undefined };
}

export function warned(code: CheckCode, message: string, cure: string, subject?: string): Check {
  return { code, status: 'warning', subject, message, cure };
}

export function failed(code: CheckCode, message: string, cure: string, subject?: string): Check {
  return { code, status: 'fails', subject, message, cure };
}

/** No question waits longer than this for its answer. */
const patienceMs = 5_000;

/** Asks a question. It is answered in any case: that it could not be is an answer, too. */
export async function answer(
  { code, what, ask }: Question,
  limitMs: number = patienceMs,
): Promise<readonly Check[]> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<readonly Check[]>((resolve) => {
    const message = `There was no answer within ${limitMs / 1000} s: ${what}`;
    const cure = 'Look whether a file system or a program does not answer';
    timer = setTimeout(() => resolve([warned(code, message, cure)]), limitMs);
  });
  const asked = ask().catch((error: unknown) => {
    const reason = error instanceof Error ? error.message : String(error);
    return [warned(code, `It could not be found out: ${what} (${reason})`, 'See the reason')];
  });
  try {
    return await Promise.race([asked, late]);
  } finally {
    clearTimeout(timer);
  }
}
