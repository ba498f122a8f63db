import {
  joined,
  type MentionedValue,
  type Sentence,
  type SentencePart,
  textOf,
} from './sentence.js';

/**
 * How bad it is: CRIU fails whatever is asked, fails without an option, saves what it cannot bring
 * back, or does not fail at all.
 */
export type Severity = 'fails' | 'needs-option' | 'not-restorable' | 'notice';

/**
 * Stable codes of a {@link Finding}. The list grows: a new version may add codes, so go by the
 * `severity` of those that you do not know.
 */
export const findingCodes = [
  'addon',
  'capability',
  'cgroup-mismatch',
  'criu-config',
  'engine-criu',
  'engine-network',
  'feature',
  'file-hidden',
  'file-lock',
  'file-outside',
  'file-renamed',
  'file-size-limit',
  'file-unlinked',
  'huge-pages',
  'io-uring',
  'kernel-data-cache',
  'lazy-pages-pipe',
  'mount-deleted',
  'mount-external',
  'mount-unsupported',
  'namespace-init',
  'namespace-nested',
  'no-space',
  'posix-mqueue',
  'proc-file',
  'program-missing',
  'scheduling-policy',
  'sealed-mapping',
  'self',
  'session',
  'socket-data',
  'socket-membership',
  'socket-multipath',
  'socket-unknown',
  'systemd-unit',
  'sysv-shm',
  'task-left-out',
  'task-outside-cgroup',
  'task-shared',
  'task-traced',
  'task-uninterruptible',
  'tcp-established',
  'tcp-in-flight',
  'terminal',
  'unix-external',
  'unix-in-flight',
  'unix-journal',
  'unreadable',
  'unsupported-descriptor',
  'unsupported-device',
  'unsupported-mapping',
  'watch',
  'zombie',
] as const;

/** One of {@link findingCodes}. */
export type FindingCode = (typeof findingCodes)[number];

/** Something that makes CRIU fail, or that it needs an option for. */
export interface Finding {
  /** Stable, to be compared with. */
  code: FindingCode;
  severity: Severity;
  /** The process that has it; for what is the machine's, the root of the tree. */
  pid: number;
  /** The descriptor, if it is one. */
  fd?: number;
  /** What it is about: a path, a socket with its addresses, a task, a capability. */
  subject: string;
  /** The option that cures it. */
  option?: string;
  /** What the option has to be; of a list, what has to be in it. */
  value?: MentionedValue;
  /** One sentence with the cure. */
  message: string;
  /**
   * `message` in parts, for the command, which says it in flags. Not enumerable.
   *
   * @internal
   */
  readonly sentence: readonly SentencePart[];
}

/** A finding as it is reported, before its sentence is made. */
export interface FindingDraft extends Omit<Finding, 'message' | 'sentence'> {
  message: Sentence;
}

/** Makes a finding with its sentence in both forms. */
export function makeFinding({ message, ...rest }: FindingDraft): Finding {
  return Object.defineProperty({ ...rest, message: textOf(message) }, 'sentence', {
    value: joined(message),
  }) as Finding;
}

const order: readonly Severity[] = ['fails', 'needs-option', 'not-restorable', 'notice'];

/** The worst first, then by process and descriptor. */
export function sortFindings(findings: readonly Finding[]): Finding[] {
  return [...findings].sort(
    (a, b) =>
      order.indexOf(a.severity) - order.indexOf(b.severity) ||
      a.pid - b.pid ||
      (a.fd ?? -1) - (b.fd ?? -1) ||
      (a.subject < b.subject ? -1 : Number(a.subject > b.subject)),
  );
}
