#!/usr/bin/env node
// The command is run in the place of a program in Go, whose start takes next to nothing. So its code is in a
// few scripts (tools/bundle.mjs), and what V8 has made of them is kept: to compile them takes longer than to
// run them.
// Node's own cache (node:module) is not in Node.js 20, and is in a directory that others may have made.
import fs from 'node:fs';
import module from 'node:module';
import path from 'node:path';
import url from 'node:url';
import vm from 'node:vm';

/** Has the caches; as all that is in it, it is root's alone, because what is in a cache is run. */
const runDirectory = '/run/libcriu';
const cacheDirectory = path.join(runDirectory, 'code');
/** The commands that have a cache, with what each has run. */
const cached: readonly string[] = ['checkpoint', 'dump', 'list', 'restore'];

type Script = (exports: object, require: (id: string) => unknown, file: string) => void;

/** The file of the cache; undefined where there is none. */
function cacheFile(script: string): string | undefined {
  const command = process.argv.find((word) => cached.includes(word));
  // What is measured has to be compiled for it.
  const isMeasured = Boolean(process.env['NODE_V8_COVERAGE']);
  if (command === undefined || isMeasured || process.geteuid?.() !== 0) return undefined;
  const name = path.basename(script, '.cjs');
  return path.join(cacheDirectory, [name, process.version, process.arch, command].join('-'));
}

function isRoots({ uid, mode }: fs.Stats): boolean {
  return uid === 0 && (mode & 0o022) === 0;
}

function isTrusted(): boolean {
  return [runDirectory, cacheDirectory].every((directory) => {
    const stats = fs.lstatSync(directory, { throwIfNoEntry: false });
    return stats?.isDirectory() === true && isRoots(stats);
  });
}

function readCache(file: string): Buffer | undefined {
  let fd: number | undefined;
  try {
    if (!isTrusted()) return undefined;
    fd = fs.openSync(file, fs.constants.O_RDONLY | fs.constants.O_NOFOLLOW);
    const stats = fs.fstatSync(fd);
    return stats.isFile() && isRoots(stats) ? fs.readFileSync(fd) : undefined;
  } catch {
    return undefined;
  } finally {
    if (fd !== undefined) fs.closeSync(fd);
  }
}

/** Keeps what has been compiled, as far as that is possible: it saves time and no more. */
function writeCache(file: string, script: vm.Script): void {
  const fresh = `${file}.${process.pid}`;
  try {
    for (const directory of [runDirectory, cacheDirectory]) {
      if (!fs.existsSync(directory)) fs.mkdirSync(directory, { mode: 0o700 });
    }
    if (!isTrusted()) return;
    fs.writeFileSync(fresh, script.createCachedData(), { flag: 'wx', mode: 0o600 });
    fs.renameSync(fresh, file);
  } catch {
    fs.rmSync(fresh, { force: true });
  }
}

/** What has been compiled anew, with the files that are to keep it. */
const compiled: [file: string, script: vm.Script][] = [];
// When it has run, a script tells more of what it needs.
process.on('exit', (status) => {
  if (status === 0) for (const [file, script] of compiled) writeCache(file, script);
});

const loaded = new Map<string, object>();

/** Loads one of our scripts, which get the others by `require`. */
function load(file: string): object {
  const before = loaded.get(file);
  if (before !== undefined) return before;
  const cache = cacheFile(file);
  const cachedData = cache === undefined ? undefined : readCache(cache);
  // They are written in ASCII (tools/bundle.mjs), which nothing has to be made of.
  const script = new vm.Script(fs.readFileSync(file, 'latin1'), {
    filename: url.pathToFileURL(file).href,
    ...(cachedData === undefined ? {} : { cachedData }),
  });
  if (cache !== undefined && (cachedData === undefined || script.cachedDataRejected === true)) {
    compiled.push([cache, script]);
  }
  const exports = {};
  loaded.set(file, exports);
  const require = module.createRequire(file);
  const run = script.runInThisContext() as Script;
  run(
    exports,
    (id) => (id.startsWith('.') ? load(path.resolve(file, '..', id)) : require(id)),
    file,
  );
  return exports;
}

// The name changes with the content: V8 itself would look only at the length of a script.
const name = fs.readdirSync(__dirname).find((one) => /^program-.*\.cjs$/.test(one));
const { start } = load(path.join(__dirname, name ?? 'program.cjs')) as { start(): void };
start();
