// @ts-check
// A program that saves itself and ends by that. argv: options of checkpointSelf as JSON. A life with a
// channel answers each message with [message, what the handlers were told], but for these:
// 'exit' (ends with the status 7), 'disconnect', 'ignore' (listens no more), 'burst' (sends 1000 messages
// and ends), 'descriptors' (how many there are).
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { afterRestore, checkpointSelf } from '../../../dist/index.js';

/** @type {unknown[]} */
const heard = [];
afterRestore(({ channel }) => {
  heard.push(channel?.connected);
});
const { channel, data, restored } = await checkpointSelf(JSON.parse(process.argv[2] ?? '{}'));
if (channel === undefined) {
  // One without a channel stays, and tells nobody.
  if (restored) setInterval(() => {}, 1000);
} else {
  channel.on('message', async (message) => {
    if (message === 'exit') process.exit(7);
    else if (message === 'disconnect') {
      channel.disconnect();
      setInterval(() => {}, 1000);
    } else if (message === 'ignore') {
      channel.removeAllListeners('message');
      setTimeout(() => once(channel, 'message').then(([one]) => channel.send(['late', one])), 200);
    } else if (message === 'burst') {
      for (let count = 0; count < 1000; count++) channel.send(count);
      channel.disconnect();
    } else if (message === 'descriptors') channel.send(readdirSync('/proc/self/fd').length);
    else channel.send([message, data, ...heard]);
  });
}
