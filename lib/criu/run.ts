import type { Deadline } from '../base/deadline.js';
import { nativeAddon } from '../native/addon.js';
import type { NativeExit, NativeOperation, NativeRequest } from '../native/contract.js';
import type { HookRunner } from './hooks.js';
import { type StagedOutcome, toOutcome } from './stage.js';

/** How the handlers of an operation fared, beside how CRIU did. */
export interface Outcome extends StagedOutcome {
  veto: HookRunner['veto'];
  /** When the timeline begins: `performance.now()`. */
  startedAt: number;
  /** See {@link NativeOperation}. */
  ended: Promise<NativeExit | undefined> | undefined;
}

/** Runs the request until CRIU answers; the deadline has CRIU roll back. */
export async function runNative(
  native: NativeRequest,
  hooks: HookRunner,
  deadline: Deadline,
  tell?: (script: string) => void,
): Promise<Outcome> {
  const addon = nativeAddon();
  const { asked } = hooks;
  const startedAt = performance.now();
  const running: NativeOperation =
    asked.length === 0
      ? addon.start(native, undefined, tell)
      : addon.start(
          { ...native, asked },
          hooks.ask((...answer) => addon.answer(running.id, ...answer)),
          tell,
        );
  const callOff = deadline.whenGivenUp(() => addon.cancel(running.id));
  try {
    const outcome = toOutcome(await running.done);
    if (outcome.success) deadline.commit();
    return Object.assign(outcome, { veto: hooks.veto, startedAt, ended: running.ended });
  } finally {
    callOff();
  }
}
