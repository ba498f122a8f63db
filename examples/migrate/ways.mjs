// @ts-check
// Three ways to move a process from one host to another. Each takes the hosts and the pid, calls
// `moved` when the process runs on the target, and ends when nothing of it is left on the source.
import { join } from 'node:path';
import { imagesDirectory } from './hosts.mjs';

/** @typedef {import('./hosts.mjs').Host} Host */
/**
 * @typedef {object} Move
 * @property {Host} source
 * @property {Host} target
 * @property {number} pid
 * @property {(pid: number) => void} moved
 */

const lazyPort = 27_000;
/** @param {string} name */
const images = (name) => join(imagesDirectory, name);

/** Copies an images directory to the other host. @param {Move} move @param {string} name */
async function copy({ source, target }, name) {
  const port = await target.call('receive', target.address, imagesDirectory);
  await source.call('send', target.address, port, imagesDirectory, name);
  await target.call('finish', 'receive');
}

/** It stands still from the dump until all of it is there. @param {Move} move */
async function stopAndCopy(move) {
  const { source, target, pid, moved } = move;
  await source.call('dump', pid, { imagePath: images('all') });
  await copy(move, 'all');
  moved(await target.call('restore', images('all'), {}));
}

/** Its memory is copied while it runs, then what changed meanwhile. @param {Move} move */
async function preCopy(move) {
  const { source, target, pid, moved } = move;
  if (!(await source.call('features')).memTrack) {
    throw new Error('this kernel does not track memory (CONFIG_MEM_SOFT_DIRTY)');
  }
  let parent;
  for (const name of ['first', 'second']) {
    await source.call('preDump', pid, { imagePath: images(name), ...parent });
    await copy(move, name);
    parent = { parentPath: join('..', name) };
  }
  await source.call('dump', pid, { imagePath: images('last'), ...parent });
  await copy(move, 'last');
  moved(await target.call('restore', images('last'), {}));
}

/** It runs there at once, and its memory follows, first what it needs. @param {Move} move */
async function lazy(move) {
  const { source, target, pid, moved } = move;
  const pageServer = { address: source.address, port: lazyPort };
  await source.call('startLazyDump', pid, { imagePath: images('lazy'), pageServer });
  await copy(move, 'lazy');
  await target.call('startLazyPages', { imagePath: images('lazy'), ...pageServer });
  moved(await target.call('restore', images('lazy'), { lazyPages: true }));
  await Promise.all([target.call('finish', 'lazyPages'), source.call('finish', 'lazyDump')]);
}

export const ways = { 'stop and copy': stopAndCopy, 'pre-copy': preCopy, lazy };
