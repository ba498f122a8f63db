// @ts-check
// One of two hosts between which memory goes, in namespaces of its own: it does what its parent asks, see
// two-hosts.mjs. argv: dist/index.js, the harness, criu, libcriu, the workload.
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { Harness } from './harness.mjs';
import { withScope } from './scope.mjs';
import { startProcess } from './workload.mjs';

const [index = '', program = '', binary = '', library = '', workload = ''] = process.argv.slice(2);
/** @type {typeof import('../../lib/index.js')} */
const libcriu = await import(pathToFileURL(index).href);
const harness = new Harness(program, { binary, library }, process.env);

/** @type {Map<string, Promise<unknown>>} */
const background = new Map();

/** @param {string} name @param {Promise<unknown>} promise */
function later(name, promise) {
  promise.catch(() => {}); // whoever asks for it is told
  background.set(name, promise);
}

/** Until the parent ends us. */
const forever = new Promise(() => {});

/** @type {Record<string, (...args: any[]) => Promise<unknown>>} */
const calls = {
  harness: (...words) => harness.command(...words),
  harnessLater: async (...words) => later('harness', harness.command(...words)),
  /** With a pid that is free on the other host too. */
  start: (ready, mebibytes) =>
    new Promise((resolve, reject) => {
      rmSync(ready, { force: true });
      writeFileSync('/proc/sys/kernel/ns_last_pid', '5000');
      withScope(async (scope) => {
        resolve(
          await startProcess(scope, workload, [ready, 'memory', mebibytes], () =>
            existsSync(ready) ? readFileSync(ready, 'utf8').endsWith('\n') : false,
          ),
        );
        await forever;
      }).catch(reject);
    }),
  startPageServer: async (options) => {
    const server = await libcriu.startPageServer(options);
    later('pages', server.finished);
    return server.port;
  },
  dump: async (pid, options) => {
    await libcriu.dump(pid, options);
  },
  startLazyDump: async (pid, options) => {
    const dumping = libcriu.dump(pid, { ...options, lazyPages: true });
    later('dump', dumping);
    await dumping.statusReady;
  },
  restoreLazily: async (options) => {
    const lazy = await libcriu.startLazyPages(options);
    const { pid } = await libcriu.restore(options.imagePath, { lazyPages: true });
    await lazy.finished;
    process.kill(pid, 'SIGKILL');
  },
  finish: async (name) => {
    await background.get(name);
  },
};

process.on('message', async (/** @type {any} */ { id, call, args }) => {
  try {
    process.send?.({ id, value: await calls[call]?.(...args) });
  } catch (error) {
    process.send?.({ id, error: /** @type {Error} */ (error).message });
  }
});
process.on('disconnect', () => process.exit());
process.send?.({ id: 0 });
