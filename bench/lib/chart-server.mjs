// @ts-check
// The server of chart-cache.mjs. When it is warm it checkpoints itself, if `libcriu run` has started it.
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { pathToFileURL } from 'node:url';
import { answer } from './chart-cache.mjs';

const [portFile = '', index = ''] = process.argv.slice(2);

const server = createServer(answer);
server.listen(0, '127.0.0.1', async () => {
  const address = /** @type {import('node:net').AddressInfo} */ (server.address());
  writeFileSync(portFile, `${address.port}\n`);
  if (process.env['LIBCRIU_SNAPSHOT']) {
    /** @type {typeof import('../../lib/index.js')} */
    const { checkpointSelf } = await import(pathToFileURL(index).href);
    await checkpointSelf();
  }
});
