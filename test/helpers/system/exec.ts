import { type SpawnOptions, spawn } from 'node:child_process';
import { patientMs } from './patience.js';

export interface Outcome {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

export interface RunOptions extends Pick<SpawnOptions, 'cwd' | 'env' | 'stdio' | 'uid' | 'gid'> {
  /** The command is killed and the call rejects after this time, or a longer one on a busy machine. */
  timeoutMs?: number;
}

/** Runs a command to its end. Its failure is an outcome, not an exception. */
export async function run(
  command: string,
  args: readonly string[],
  { timeoutMs = 60_000, ...options }: RunOptions = {},
): Promise<Outcome> {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], ...options });
  let stdout = '';
  let stderr = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  return await new Promise<Outcome>((resolve, reject) => {
    const cancel = afterPatience(timeoutMs, () => {
      child.kill('SIGKILL');
      reject(
        new Error(`${command} ${args.join(' ')} did not end within ${timeoutMs} ms: ${stderr}`),
      );
    });
    child.once('error', (error) => {
      cancel();
      reject(error);
    });
    child.once('close', (code, signal) => {
      cancel();
      resolve({ code, signal, stdout, stderr });
    });
  });
}

/** Runs a command that has to succeed and gives its standard output. */
export async function runOk(
  command: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<string> {
  const { code, signal, stdout, stderr } = await run(command, args, options);
  if (code !== 0) {
    const how = signal ?? `exit status ${code}`;
    throw new Error(`${command} ${args.join(' ')}: ${how}\n${stderr}${stdout}`);
  }
  return stdout;
}

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** A promise that never settles, as of a hook that waits for something. */
export const never = (): Promise<never> => new Promise(() => {});

/** Calls back when a limit is over on a machine as busy as it is then; gives what cancels it. */
function afterPatience(timeoutMs: number, act: () => void): () => void {
  const start = performance.now();
  let timer: NodeJS.Timeout;
  const look = (): void => {
    const leftMs = start + patientMs(timeoutMs) - performance.now();
    if (leftMs <= 0) act();
    else timer = setTimeout(look, Math.ceil(leftMs));
  };
  timer = setTimeout(look, timeoutMs);
  return () => clearTimeout(timer);
}

/** Polls until `probe` gives a value; the last error or nothing ends in a failure naming `what`. */
export async function until<T>(
  what: string,
  probe: () => T | undefined | false | Promise<T | undefined | false>,
  timeoutMs = 10_000,
): Promise<T> {
  const start = performance.now();
  for (;;) {
    const value = await probe();
    if (value !== undefined && value !== false) return value;
    const tookMs = performance.now() - start;
    if (tookMs > timeoutMs && tookMs > patientMs(timeoutMs)) {
      throw new Error(`${what}: not within ${Math.round(tookMs)} ms`);
    }
    await sleep(5);
  }
}
