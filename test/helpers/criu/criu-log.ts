import { readFileSync } from 'node:fs';

/** A log of CRIU that a test looks into. */
export class CriuLog {
  readonly text: string;

  constructor(path: string) {
    this.text = readFileSync(path, 'utf8');
  }

  lines(pattern: RegExp): string[] {
    return this.text.split('\n').filter((line) => pattern.test(line));
  }

  has(pattern: RegExp): boolean {
    return this.lines(pattern).length > 0;
  }

  /** The errors but for the note about RLIMIT_NOFILE that every run without CAP_SYS_RESOURCE has. */
  get errors(): string[] {
    return this.lines(/ Error /).filter((line) => !line.includes('RLIMIT_NOFILE'));
  }
}
