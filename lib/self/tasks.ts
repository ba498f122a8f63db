import { invalidArgType, reason } from '../base/errors.js';
import { kinds } from '../channel/frames.js';
import type { SocketChannel } from '../channel/socket-channel.js';

/** Called for each task that a pool sends to this process. What it returns is the answer. */
export type TaskHandler = (task: unknown) => unknown;

/** What a pool sends and gets, one after the other. */
export interface TaskMessage {
  id: number;
  task: unknown;
}

/** How a task went. */
export interface AnswerMessage {
  id: number;
  value?: unknown;
  error?: TaskFailure;
}

/** What goes back of what a handler threw. */
export interface TaskFailure {
  name: string;
  message: string;
  code: unknown;
  stack: string | undefined;
}

let handler: TaskHandler | undefined;
let channel: SocketChannel | undefined;

/**
 * Registers the function that answers the tasks of `run()` of a pool, in the restored process. Tasks that
 * come before there is one wait for it. A process with a handler lives until its pool has ended it, or is
 * gone itself.
 *
 * @example
 * ```ts
 * onTask(async (task) => await render(task));
 * await checkpointSelf({ imagePath: '/var/lib/warm' });
 * ```
 * @param answer - Takes the place of one that was registered before.
 * @returns a function that takes it back.
 * @throws TypeError when it is no function.
 */
export function onTask(answer: TaskHandler): () => void {
  if (typeof answer !== 'function') throw invalidArgType('handler', 'a function', answer);
  handler = answer;
  update();
  return () => {
    if (handler !== answer) return;
    handler = undefined;
    update();
  };
}

/** Serves the tasks that come on the channel of this process from now on. */
export function serveTasks(opened: SocketChannel): void {
  channel = opened;
  opened.prependListener('disconnect', () => {
    // Whoever had an interest in an answer is gone.
    if (handler !== undefined && !opened.hasDisconnected) process.exit();
  });
  update();
}

function update(): void {
  const answer = handler;
  channel?.serve(
    answer && ((kind, value) => kind === kinds.task && void serve(answer, value as TaskMessage)),
  );
}

async function serve(answer: TaskHandler, { id, task }: TaskMessage): Promise<void> {
  let message: AnswerMessage;
  try {
    message = { id, value: await answer(task) };
  } catch (error) {
    message = { id, error: failureOf(error) };
  }
  try {
    channel?.tell(kinds.answer, message);
  } catch (error) {
    channel?.tell(kinds.answer, { id, error: failureOf(error) });
  }
}

function failureOf(error: unknown): TaskFailure {
  const { name, stack, code }: NodeJS.ErrnoException =
    error instanceof Error ? error : new Error(reason(error));
  const isPlain = typeof code === 'string' || typeof code === 'number';
  return { name, message: reason(error), code: isPlain ? code : undefined, stack };
}
