// @ts-check
// A Node.js process that dumps for its parent, with so many MiB of touched buffers in its memory.
import { pathToFileURL } from 'node:url';

const [index = '', mebibytes = '0'] = process.argv.slice(2);
/** @type {typeof import('../../lib/index.js')} */
const libcriu = await import(pathToFileURL(index).href);

const held = Array.from({ length: Number(mebibytes) }, () => Buffer.alloc(1024 * 1024, 1));

process.on(
  'message',
  async (/** @type {{pid: number, imagePath: string}} */ { pid, imagePath }) => {
    const start = performance.now();
    try {
      await libcriu.dump(pid, { imagePath, leaveRunning: true });
      process.send?.({ ms: performance.now() - start });
    } catch (error) {
      process.send?.({ error: /** @type {Error} */ (error).message });
    }
  },
);
process.send?.({ held: held.length });
