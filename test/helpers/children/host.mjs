// @ts-check
// The other host of a migration: a Node process in pid, network and mount namespaces of its own,
// that does what its parent asks for. See ../host.ts.
import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { restore, startLazyPages, startPageServer } from '../../../dist/index.js';

/** @type {import('../../../dist/index.js').PageServerHandle | undefined} */
let pageServer;
/** @type {import('../../../dist/index.js').LazyPagesHandle | undefined} */
let lazyPages;

/** @param {string} command @param {string[]} args */
function run(command, args) {
  const { status, stderr } = spawnSync(command, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: ${stderr}`);
}

/** @type {Record<string, (...args: any[]) => unknown>} */
const methods = {
  pid: () => process.pid,
  /** The address of its end of the veth pair. */
  network(name, address) {
    run('ip', ['link', 'set', 'lo', 'up']);
    run('ip', ['address', 'add', `${address}/30`, 'dev', name]);
    run('ip', ['link', 'set', name, 'up']);
  },
  mountTmpfs(path, size) {
    mkdirSync(path, { recursive: true });
    run('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', path]);
  },
  async startPageServer(options) {
    pageServer = await startPageServer(options);
    return { address: pageServer.address, port: pageServer.port };
  },
  received: () => pageServer?.finished,
  closePageServer: () => pageServer?.close(),
  async startLazyPages(options) {
    lazyPages = await startLazyPages(options);
    return { workPath: lazyPages.workPath };
  },
  progress: () => lazyPages?.progress(),
  fetched: () => lazyPages?.finished,
  closeLazyPages: (options) => lazyPages?.close(options),
  restore: async (imagePath, options) => (await restore(imagePath, options)).pid,
  /** Runs a command to its end. */
  run: (command, ...args) =>
    new Promise((resolve, reject) => {
      const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'pipe'] });
      let stderr = '';
      child.stderr.setEncoding('utf8').on('data', (text) => {
        stderr += text;
      });
      child.once('error', reject);
      // Not "close": what it leaves running may hold its standard error.
      child.once('exit', (code) => {
        if (code === 0) resolve(undefined);
        else reject(new Error(`${command} ${args.join(' ')}: exit status ${code} ${stderr}`));
      });
    }),
};

// The pids of what is restored here are those that they had; ours must be others.
writeFileSync('/proc/sys/kernel/ns_last_pid', '30000');

process.on('message', async (/** @type {any} */ { id, method, args }) => {
  try {
    const call = methods[method];
    if (!call) throw new Error(`no method ${method}`);
    process.send?.({ id, value: await call(...args) });
  } catch (error) {
    const { name, code, message, stage, log } = /** @type {any} */ (error);
    process.send?.({ id, error: { name, code, message, stage, log } });
  }
});
process.on('disconnect', () => process.exit());
process.send?.({ id: 0 });
