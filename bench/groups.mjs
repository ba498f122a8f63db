// @ts-check
import { concurrency } from './rows/concurrency.mjs';
import { containers } from './rows/containers.mjs';
import { engineRows } from './rows/engines.mjs';
import { eventloop } from './rows/eventloop.mjs';
import { large } from './rows/large.mjs';
import { memory } from './rows/memory.mjs';
import { migration } from './rows/migration.mjs';
import { node } from './rows/node.mjs';
import { processes } from './rows/processes.mjs';
import { restore } from './rows/restore.mjs';
import { scale } from './rows/scale.mjs';
import { sockets } from './rows/sockets.mjs';
import { start } from './rows/start.mjs';
import { tmpfs } from './rows/tmpfs.mjs';
import { transfer } from './rows/transfer.mjs';

/** @type {readonly import('./lib/result.mjs').Group[]} in the order in which they run */
export const groups = [
  containers,
  sockets,
  tmpfs,
  engineRows,
  processes,
  node,
  concurrency,
  eventloop,
  restore,
  memory,
  scale,
  migration,
  start,
  large,
  transfer,
];
