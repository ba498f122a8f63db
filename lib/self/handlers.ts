import { invalidArgType } from '../base/errors.js';
import { late } from '../base/late.js';
import { callAll } from '../base/scope.js';
import type { AfterCheckpoint } from './after-checkpoint.js';

/**
 * Called before this process is saved. May return, or resolve to, a function that is called when it
 * goes on, in the saved process as well as in the one that is brought back; it gets an
 * {@link AfterCheckpoint}.
 */
export type BeforeCheckpointHandler = () => unknown;

/** Called in the process that was brought back, with an {@link AfterCheckpoint}. */
export type AfterRestoreHandler = (event: AfterCheckpoint) => unknown;

const threads = late(() => import('./threads.js'));

const before = new Set<{ handler: BeforeCheckpointHandler }>();
const after = new Set<{ handler: AfterRestoreHandler }>();

/**
 * Registers a handler that is called before {@link checkpointSelf} saves this process, for what
 * cannot survive: a connection to be closed, a file to be written. Handlers are called one after
 * the other in the order of their registration; one that throws or rejects ends the checkpoint.
 *
 * @returns a function that takes it back.
 * @throws TypeError when it is no function.
 */
export function beforeCheckpoint(handler: BeforeCheckpointHandler): () => void {
  return register(before, handler);
}

/**
 * Registers a handler that is called when this process has been brought back, before
 * {@link checkpointSelf} resolves. Handlers are called one after the other in the reverse order of
 * their registration; one that throws or rejects has `checkpointSelf` reject with its error, after
 * the others. Those of other threads are called when these come to their next event.
 *
 * @returns a function that takes it back.
 * @throws TypeError when it is no function.
 */
export function afterRestore(handler: AfterRestoreHandler): () => void {
  const unregister = register(after, handler);
  void threads().then(({ listen }) => listen((event) => callAll(calls(event))));
  return unregister;
}

/** What is to be called of the handlers after a restore. */
function calls(event: AfterCheckpoint): (() => unknown)[] {
  return [...after].reverse().map(
    ({ handler }) =>
      () =>
        handler(event),
  );
}

function register<T>(handlers: Set<{ handler: T }>, handler: T): () => void {
  if (typeof handler !== 'function') throw invalidArgType('handler', 'a function', handler);
  // The same function may be registered twice.
  const entry = { handler };
  handlers.add(entry);
  return () => {
    handlers.delete(entry);
  };
}

/** Undoes what the handlers before the checkpoint did, and calls those after a restore. */
type GoOn = (event: AfterCheckpoint) => Promise<void>;

/**
 * Calls the handlers before a checkpoint.
 *
 * @returns what is called when the process goes on, in any case.
 * @throws the error of a handler, when what the others did is undone.
 */
export async function callBefore(): Promise<GoOn> {
  const undo: ((event: AfterCheckpoint) => unknown)[] = [];
  const goOn: GoOn = async (event) => {
    const undoing = [...undo].reverse().map((one) => () => one(event));
    await callAll(event.restored ? [...undoing, ...calls(event)] : undoing);
  };
  try {
    for (const { handler } of [...before]) {
      const returned = await handler();
      if (typeof returned === 'function') {
        undo.push(returned as (event: AfterCheckpoint) => unknown);
      }
    }
  } catch (error) {
    await goOn({ restored: false, data: undefined, channel: undefined }).catch(() => {});
    throw error;
  }
  return goOn;
}
