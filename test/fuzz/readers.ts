import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { dockerAfterKill, dockerFacts } from '../../lib/container/engines/docker.js';
import { podmanAfterKill, podmanFacts } from '../../lib/container/engines/podman.js';
import { stateRoots } from '../../lib/container/engines/state-roots.js';
import type { ContainerState } from '../../lib/container/state/container.js';
import { parseCrunState } from '../../lib/container/state/crun.js';
import { parseRuncState } from '../../lib/container/state/runc.js';
import { parseConfig } from '../../lib/criu/config-file.js';
import { excerpt } from '../../lib/criu/log.js';
import { LogParser, type LogRecord } from '../../lib/criu/log-records.js';
import { encode } from '../../lib/images/codec/encode.js';
import { decodeFile } from '../../lib/images/codec/file.js';
import { decodePids } from '../../lib/images/pstree.js';
import { decodeDumpStats, decodeRestoreStats } from '../../lib/images/stats.js';
import { cgroupLines, ownHierarchies, placeOf } from '../../lib/linux/cgroup.js';
import type { Host } from '../../lib/linux/host.js';
import { hiddenIn, parseMountinfo } from '../../lib/linux/mountinfo.js';
import { parseProcessStat } from '../../lib/linux/process-stat.js';
import { readTree } from '../../lib/linux/process-tree.js';
import { Budget, mountIdOf, openFlagsOf, Procfs } from '../../lib/linux/procfs.js';
import { parseInet } from '../../lib/linux/sockets.js';
import { unitOf } from '../../lib/linux/systemd.js';
import { parseMaps } from '../../lib/preflight/checks/mappings.js';
import { LazyPagesLog } from '../../lib/serve/lazy-pages-log.js';
import { archiveReaders } from './archive-readers.js';
import { type Reader, Wrong } from './reader.js';

function expectThat(holds: boolean, what: string): void {
  if (!holds) throw new Wrong(`expected that ${what}`);
}

/** A `/proc` with made files. */
const directory = mkdtempSync(join(tmpdir(), 'libcriu-fuzz-'));
process.on('exit', () => rmSync(directory, { recursive: true, force: true }));

const host: Host = {
  systemRoot: directory,
  procRoot: directory,
  cgroupRoot: '/sys/fs/cgroup',
  runRoot: '/nowhere',
  unified: async () => false,
  fileSystem: () => 0,
  env: {},
  euid: 0,
};

function write(path: string, content: Buffer | string): string {
  const file = join(directory, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, content);
  return file;
}

const isPlain = (path: string): boolean =>
  path.startsWith('/') && path !== '/' && !`${path}/`.includes('/../') && !path.includes('\0');

/** Engines know of a container where its bundle, and what is mounted into it, are. */
const ofEngine = {
  id: 'web',
  bundle: join(directory, 'overlay-containers/web/userdata'),
  mounts: [{ source: join(directory, 'containers/web/hostname') }],
  annotations: new Map(),
} as unknown as ContainerState;

/** The id in a state file, as its directory is called. */
function idIn(text: string): string {
  try {
    const { id } = JSON.parse(text) as { id?: unknown };
    return typeof id === 'string' ? id : 'a';
  } catch {
    return 'a';
  }
}

export const readers: readonly Reader[] = [
  ...archiveReaders,
  {
    name: 'runc-state',
    throws: ['ERR_CONTAINER_CORRUPT'],
    read(input) {
      const text = input.toString();
      const state = parseRuncState('/run/runc', idIn(text), text);
      for (const path of state.cgroupPaths.values()) expectThat(isPlain(path), 'a path is plain');
      expectThat(Number.isSafeInteger(state.initPid), 'a pid is a number');
      expectThat(!state.descriptorsJson.includes('\0'), 'no NUL is in what runc reads');
    },
  },
  {
    name: 'crun-state',
    throws: ['ERR_CONTAINER_CORRUPT'],
    async read(input) {
      write('self/cgroup', '4:freezer:/\n0::/\n');
      // One file or the other: they are in one input, as a JSON value for each line.
      const [status = '', config = ''] = input.toString().split('\n=\n');
      const state = await parseCrunState('/run/crun', 'a', { status, config }, host);
      for (const path of state.cgroupPaths.values()) expectThat(isPlain(path), 'a path is plain');
      expectThat(state.rootfs.startsWith('/'), 'the root file system has a whole path');
    },
  },
  {
    name: 'docker-config',
    throws: ['ERR_CONTAINER_CORRUPT'],
    async read(input) {
      rmSync(join(directory, 'etc'), { recursive: true, force: true });
      write('etc/docker/daemon.json', input);
      await stateRoots(host);
    },
  },
  {
    name: 'crio-config',
    throws: ['ERR_CONTAINER_CORRUPT'],
    async read(input) {
      rmSync(join(directory, 'etc'), { recursive: true, force: true });
      write('etc/crio/crio.conf', input);
      write('etc/containerd/config.toml', input);
      for (const root of await stateRoots(host)) expectThat(!root.includes('\0'), 'it is a path');
    },
  },
  {
    name: 'docker-state',
    throws: ['ERR_CONTAINER_CORRUPT'],
    async read(input) {
      write('containers/web/config.v2.json', input);
      write('containers/web/hostconfig.json', input);
      const { name, names } = await dockerFacts(ofEngine);
      expectThat(name !== '' && names.includes(name), 'a container has a name');
      await dockerAfterKill(ofEngine);
    },
  },
  {
    name: 'podman-state',
    throws: ['ERR_CONTAINER_CORRUPT'],
    async read(input) {
      write('overlay-containers/containers.json', input);
      write('libpod/bolt_state.db', input);
      await podmanAfterKill(ofEngine);
      const { name } = await podmanFacts(ofEngine);
      expectThat(typeof name === 'string', 'a container has a name');
    },
  },
  {
    name: 'criu-log',
    throws: [],
    read(input) {
      const { cause, lines } = excerpt(input.toString());
      expectThat(lines.length <= 20, 'no more lines than are kept are told');
      expectThat(!lines.some((line) => line.includes('\n')), 'a line is one line');
      expectThat((cause ?? '').length <= 10_000, 'a sentence has an end');
    },
  },
  {
    name: 'criu-log-records',
    throws: [],
    read(input) {
      const text = input.toString();
      const recordsOf = (...parts: readonly string[]): LogRecord[] => {
        const parser = new LogParser();
        return [...parts.flatMap((part) => parser.add(part)), ...parser.finish()];
      };
      const records = recordsOf(text);
      for (const { timeMs = 0, pid = 0, level, source } of records) {
        expectThat(timeMs >= 0 && timeMs < 1e14, 'a time is one');
        expectThat(Number.isSafeInteger(pid) && pid >= 0, 'a pid is one');
        expectThat((source === undefined) === (level === 'info'), 'errors have a place');
      }
      const half = Math.floor(text.length / 2);
      const inParts = recordsOf(text.slice(0, half), text.slice(half));
      expectThat(isDeepStrictEqual(inParts, records), 'it does not matter how a log is cut');
    },
  },
  {
    name: 'lazy-pages-log',
    throws: [],
    async read(input) {
      const log = new LazyPagesLog(write('lazy-pages.log', input));
      const { total, served, left } = await log.read();
      for (const count of [total, served, left]) {
        expectThat(Number.isFinite(count) && count >= 0, 'a number of pages is one');
      }
    },
  },
  {
    name: 'criu-config',
    throws: [],
    read(input) {
      for (const { word, known, value, fault, isNegated } of parseConfig(
        input.toString('latin1'),
      )) {
        expectThat(!word.includes('\0') && !value?.includes('\0'), 'C sees the same text');
        expectThat(known !== undefined || fault !== undefined, 'an unknown word is a fault');
        const whole = isNegated ? `no-${known?.name}` : (known?.name ?? word);
        expectThat(whole.startsWith(word), 'a word is known by its start');
      }
    },
  },
  {
    name: 'mountinfo',
    throws: [],
    read(input) {
      const mounts = parseMountinfo(input.toString());
      const isHidden = hiddenIn(mounts);
      for (const mount of mounts.slice(0, 100)) isHidden(mount);
      write('self/mountinfo', input);
      write('self/cgroup', '4:freezer:/\n0::/\n');
      placeOf('/sys/fs/cgroup/freezer/a', 30n, host);
    },
  },
  {
    name: 'process-stat',
    throws: [],
    read(input) {
      const name = input.toString('latin1');
      parseProcessStat(name);
      const fields = 'T 1 17 17 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 4711 1';
      const { state, startTime } = parseProcessStat(`17 (${name}) ${fields}`);
      expectThat(state === 'T' && startTime === 4711, 'a name hides nothing that follows it');
    },
  },
  {
    name: 'process-status',
    throws: [],
    async read(input) {
      write('17/status', input);
      write('17/stat', '17 (a) S 1 17 17 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 4711 1');
      write('17/task/17/status', input);
      write('17/task/17/children', '');
      const tasks = await readTree(new Procfs(directory), 17, new Budget(10_000));
      expectThat(tasks.length === 1, 'a process whose status is strange is there all the same');
    },
  },
  {
    name: 'fdinfo',
    throws: [],
    read(input) {
      const info = input.toString();
      const id = mountIdOf(info);
      expectThat(id === undefined || id >= 0, 'an id is a number');
      expectThat(openFlagsOf(info) >= 0, 'flags are a number');
    },
  },
  {
    name: 'sockets',
    throws: [],
    read(input) {
      const text = input.toString();
      for (const family of ['tcp', 'other'] as const) {
        for (const { inode } of parseInet(text, family)) expectThat(inode !== '', 'there is one');
      }
    },
  },
  {
    name: 'maps',
    throws: [],
    read(input) {
      for (const { range, path } of parseMaps(input.toString())) {
        // It becomes the name of a file below map_files.
        expectThat(!range.includes(' ') && path !== '', 'a mapping has a range and a path');
      }
    },
  },
  {
    name: 'cgroup',
    throws: [],
    async read(input) {
      write('self/cgroup', input);
      write('self/mountinfo', '30 20 0:30 / /sys/fs/cgroup rw - cgroup2 cgroup rw\n');
      cgroupLines('self', host);
      unitOf(input.toString());
      for (const { controllers } of await ownHierarchies(host)) {
        expectThat(controllers.length > 0, 'a hierarchy has a name, if an empty one');
      }
      placeOf('/sys/fs/cgroup/a', 30n, host);
    },
  },
  {
    name: 'pstree',
    throws: ['Error'],
    read(input) {
      for (const pid of decodePids(input)) {
        expectThat(Number.isSafeInteger(pid) && pid >= 0, 'a pid is a number');
      }
    },
  },
  {
    name: 'image',
    throws: ['ERR_CRIU_IMAGE'],
    async read(input) {
      const image = JSON.parse(JSON.stringify(await decodeFile(input)));
      expectThat(encode(image).equals(input), 'an image is the same again as JSON');
    },
  },
  {
    name: 'stats',
    throws: ['Error'],
    read(input) {
      // It is of one of them, and the first byte of the input says which.
      const decode = input[0] === 0 ? decodeDumpStats : decodeRestoreStats;
      for (const value of Object.values(decode(input.subarray(1)))) {
        expectThat(Number.isFinite(value) && value >= 0, 'a measure is a number');
      }
    },
  },
];
