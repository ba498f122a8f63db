// @ts-check
// Answers each request by a function that runs in a clone of functions.mjs:
//   node examples/function-server/server.mjs --snapshot DIR [--port N] [--size N] [--max N] [--max-uses N]
// It makes the snapshot if there is none that fits. SIGTERM and SIGINT end it, once the requests are answered.
import { spawnSync } from 'node:child_process';
import { createServer } from 'node:http';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { CriuError, createPool } from 'libcriu';

const { values } = parseArgs({
  options: {
    snapshot: { type: 'string' },
    port: { type: 'string', default: '8080' },
    size: { type: 'string', default: '4' },
    max: { type: 'string', default: '8' },
    'max-uses': { type: 'string', default: '100' },
  },
});
const { snapshot } = values;
if (snapshot === undefined) {
  console.error('server: expected --snapshot DIR');
  process.exit(1);
}

/** @param {string} name @returns {string} */
const path = (name) => fileURLToPath(new URL(name, import.meta.url));

// A snapshot that fits this machine is kept.
const command = ['run', '--snapshot', snapshot, '--if-stale', 'rebuild', path('functions.mjs')];
const { status } = spawnSync(process.execPath, [path('../../dist/cli/main.js'), ...command], {
  stdio: 'inherit',
});
if (status !== 0) process.exit(1);

const pool = await createPool(snapshot, {
  size: Number(values.size),
  max: Number(values.max),
  maxUses: Number(values['max-uses']),
  acquireTimeoutMs: 10_000,
  taskTimeoutMs: 10_000,
});

/**
 * The statuses of failures of the pool.
 *
 * @type {Readonly<Record<string, number>>}
 */
const statuses = { ERR_POOL_TIMEOUT: 503, ERR_POOL_CLOSED: 503, ERR_TASK_TIMEOUT: 504 };

const server = createServer(async (request, response) => {
  const { pathname, search } = new URL(request.url ?? '/', 'http://localhost');
  /** @param {number} status @param {unknown} body */
  const answer = (status, body) => {
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(JSON.stringify(body));
  };
  if (pathname === '/metrics') return answer(200, pool.metrics());
  try {
    const result = await pool.run({ path: pathname, query: search });
    const { status, body } = /** @type {{ status: number, body: unknown }} */ (result);
    answer(status, body);
  } catch (error) {
    const { message } = /** @type {Error} */ (error);
    const code = error instanceof CriuError ? error.code : undefined;
    answer(statuses[code ?? ''] ?? 500, { code, message });
  }
});

server.listen(Number(values.port), '127.0.0.1', () => {
  const address = /** @type {import('node:net').AddressInfo} */ (server.address());
  console.log(`listening on port ${address.port}`);
});

for (const signal of ['SIGTERM', 'SIGINT']) {
  process.once(signal, () => {
    server.close(async () => {
      await pool.close();
      console.log('closed');
    });
    server.closeIdleConnections();
  });
}
