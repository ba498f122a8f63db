import { nativeAddon } from '../native/addon.js';
import type { NativeExit } from '../native/contract.js';
import { errnoName, nativeFailureOf } from '../native/failure.js';

/**
 * Runs a program to its end, with `/dev/null` as its standard streams. Unlike `node:child_process` it
 * does not fork this process, which takes longer the more memory that has, and holds it up meanwhile.
 *
 * @param program - Its path, with a slash in it.
 * @param name - What the program is told as its own name.
 * @throws Error with the `code` of the system call by which it could not be started.
 */
export async function runProgram(
  program: string,
  [name, ...args]: readonly [name: string, ...args: string[]],
  environment: NodeJS.ProcessEnv,
): Promise<NativeExit> {
  const variables = Object.entries(environment).flatMap(([variable, value]) =>
    value === undefined ? [] : [`${variable}=${value}`],
  );
  try {
    return await nativeAddon().runProgram(program, [name, ...args], variables);
  } catch (cause) {
    const failure = nativeFailureOf(cause);
    if (failure === undefined) throw cause;
    throw Object.assign(new Error(failure.message, { cause }), { code: errnoName(failure.errno) });
  }
}
