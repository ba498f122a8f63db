// @ts-check
// The process on each host that does the host's part of a migration, as its parent asks: see
// hosts.mjs. All that is libcriu is here.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { dump, features, preDump, restore, startLazyPages } from 'libcriu';

/** What goes on while other calls are made. @type {Map<string, Promise<unknown>>} */
const background = new Map();

/** @param {string} name @param {Promise<unknown>} promise */
function runInBackground(name, promise) {
  promise.catch(() => {}); // whoever asks for it is told
  background.set(name, promise);
}

/** @param {string} command @param {string[]} args */
async function run(command, ...args) {
  const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'inherit'] });
  const [code] = await once(child, 'exit');
  if (code !== 0) throw new Error(`${command} ${args.join(' ')}: exit status ${code}`);
}

/** @type {Record<string, (...args: any[]) => unknown>} */
const calls = {
  /** Images are kept apart from those of the other host. */
  async setUp(directory) {
    mkdirSync(directory, { recursive: true });
    await run('mount', '-t', 'tmpfs', '-o', 'mode=0700', 'images', directory);
    await run('ip', 'link', 'set', 'lo', 'up');
  },
  run,
  /** Starts the server with a pid that is free on the other host too. */
  async startServer(port, mebibytes, ready) {
    writeFileSync('/proc/sys/kernel/ns_last_pid', '5000');
    const program = fileURLToPath(new URL('server.mjs', import.meta.url));
    const args = [program, String(port), String(mebibytes), ready];
    // Without a terminal and in a session of its own, as CRIU wants it.
    const server = spawn(process.execPath, args, { detached: true, stdio: 'ignore', cwd: '/' });
    while (!existsSync(ready)) {
      if (server.exitCode !== null) throw new Error('the server ended');
      await sleep(5);
    }
    return server.pid;
  },
  kill: (pid) => process.kill(pid, 'SIGKILL'),
  features,
  preDump: async (pid, options) => (await preDump(pid, options)).stats,
  dump: async (pid, options) => (await dump(pid, options)).timings,
  /** Ends when the pages can be fetched; `lazyDump` waits for the rest. */
  async startLazyDump(pid, options) {
    const dumping = dump(pid, { ...options, lazyPages: true });
    runInBackground('lazyDump', dumping);
    await dumping.statusReady;
  },
  async startLazyPages(options) {
    const lazy = await startLazyPages(options);
    runInBackground('lazyPages', lazy.finished);
  },
  restore: async (imagePath, options) => (await restore(imagePath, options)).pid,
  async finish(name) {
    await background.get(name);
  },
  /** Listens for one directory, which is unpacked in `parent`. */
  async receive(address, parent) {
    const server = createServer().listen(0, address);
    await once(server, 'listening');
    const unpack = async () => {
      const [socket] = await once(server, 'connection');
      server.close();
      const tar = spawn('tar', ['-x', '-C', parent], { stdio: ['pipe', 'ignore', 'inherit'] });
      const ended = once(tar, 'exit');
      // tar ends with the archive, which may be before the last padding.
      tar.stdin.on('error', () => {});
      socket.on('error', () => tar.stdin.destroy());
      socket.pipe(tar.stdin);
      const [code] = await ended;
      socket.resume();
      if (code !== 0) throw new Error('tar could not unpack the images');
    };
    runInBackground('receive', unpack());
    return /** @type {import('node:net').AddressInfo} */ (server.address()).port;
  },
  async send(address, port, parent, name) {
    const tar = spawn('tar', ['-c', '-C', parent, name], { stdio: ['ignore', 'pipe', 'inherit'] });
    const ended = once(tar, 'exit');
    await pipeline(tar.stdout, connect(port, address));
    if ((await ended)[0] !== 0) throw new Error('tar could not pack the images');
  },
};

process.on('message', async (/** @type {any} */ { id, call, args }) => {
  try {
    process.send?.({ id, value: await calls[call]?.(...args) });
  } catch (error) {
    process.send?.({ id, error: String(/** @type {Error} */ (error).message) });
  }
});
process.on('disconnect', () => process.exit());
process.send?.({ id: 0 });
