// @ts-check
// The server of chart-cache.mjs for a start-up snapshot of Node.js, which holds the cache. It has to be one
// script (`node --build-snapshot`), and a snapshot can have no socket: the server listens when it is brought
// back. Node.js 20 cannot load node:http while it builds one.
import { startupSnapshot } from 'node:v8';
import { answer } from './chart-cache.mjs';

startupSnapshot.setDeserializeMainFunction(() => {
  /** @type {typeof import('node:fs')} */
  const { writeFileSync } = require('node:fs');
  /** @type {typeof import('node:http')} */
  const { createServer } = require('node:http');
  const server = createServer(answer);
  server.listen(0, '127.0.0.1', () => {
    const address = /** @type {import('node:net').AddressInfo} */ (server.address());
    writeFileSync(process.argv[1] ?? '', `${address.port}\n`);
  });
});
