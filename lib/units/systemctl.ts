import { existsSync } from 'node:fs';
import { CriuError } from '../base/errors.js';

/** Where it is. No other user can put one there, as into a directory of PATH. */
const places = ['/usr/bin/systemctl', '/bin/systemctl'];

/** How a call has ended. */
export interface SystemctlOutcome {
  ok: boolean;
  stdout: string;
  /** What it has said of why it failed, in one line. */
  said: string;
}

/** @throws CriuError `ERR_RUNTIME_NOT_FOUND` where there is no systemd. */
export function findSystemctl(): string {
  const program = places.find((path) => existsSync(path));
  if (program !== undefined && existsSync('/run/systemd/system')) return program;
  throw new CriuError('ERR_RUNTIME_NOT_FOUND', 'systemd does not run on this machine');
}

/**
 * Calls systemctl, which asks systemd.
 *
 * @param signal - Ends it. What systemd has begun goes on.
 * @throws CriuError `ERR_RUNTIME_NOT_FOUND` where there is no systemd.
 */
export async function systemctl(
  args: readonly string[],
  signal?: AbortSignal,
): Promise<SystemctlOutcome> {
  const program = findSystemctl();
  return new Promise((resolve) => {
    const options = signal === undefined ? {} : { signal };
    const { execFile } = process.getBuiltinModule('node:child_process');
    execFile(program, ['--no-ask-password', ...args], options, (error, stdout, stderr) => {
      const [said = ''] = stderr.trim().split('\n');
      resolve({ ok: error === null, stdout: stdout.trim(), said: said || (error?.message ?? '') });
    });
  });
}
