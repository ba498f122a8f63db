import { BroadcastChannel } from 'node:worker_threads';
import type { AfterCheckpoint } from './after-checkpoint.js';
import { renewRandomness } from './randomness.js';

/** Called on a thread when another one has found that the process was restored. */
type OnRestored = (event: AfterCheckpoint) => unknown;

let channel: BroadcastChannel | undefined;

/** Has this thread hear of a restore that another one finds, and renew what is its own. */
export function listen(onRestored: OnRestored): void {
  open().onmessage = (message) => {
    renewRandomness();
    return onRestored((message as { data: AfterCheckpoint }).data);
  };
}

/** Tells the other threads that the process was restored. They hear of it when they come to their events. */
export function tell(event: AfterCheckpoint): void {
  open().postMessage(event);
}

function open(): BroadcastChannel {
  if (channel === undefined) {
    channel = new BroadcastChannel('libcriu:restored');
    // It keeps no thread from ending.
    channel.unref();
  }
  return channel;
}
