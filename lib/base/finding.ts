/** How bad it is: CRIU fails whatever is asked, fails without an option, or does not fail at all. */
export type Severity = 'fails' | 'needs-option' | 'notice';

/** Stable codes of a {@link Finding}. The README has a row for each. */
export const findingCodes = [
  'capability',
  'feature',
  'file-hidden',
  'file-lock',
  'file-outside',
  'file-renamed',
  'file-unlinked',
  'io-uring',
  'kernel-data-cache',
  'lazy-pages-pipe',
  'mount-external',
  'mount-unsupported',
  'namespace-init',
  'namespace-nested',
  'no-space',
  'posix-mqueue',
  'self',
  'session',
  'socket-multipath',
  'socket-unknown',
  'sysv-shm',
  'task-traced',
  'task-uninterruptible',
  'tcp-established',
  'tcp-in-flight',
  'terminal',
  'unix-external',
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
  value?: boolean | number | string | readonly string[];
  /** One sentence with the cure. */
  message: string;
}

const order: readonly Severity[] = ['fails', 'needs-option', 'notice'];

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
