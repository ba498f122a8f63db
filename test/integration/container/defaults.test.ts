import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { type CheckpointOptions, checkpoint, decodeImage } from '../../helpers/api.js';
import { restoreByCriu } from '../../helpers/criu/raw-restore.js';
import { requireNeeds } from '../../helpers/needs.js';
import { Scope, useScope } from '../../helpers/scope.js';
import { isRunning } from '../../helpers/system/freezer.js';
import { type Container, startContainer } from '../../helpers/workloads/container.js';

const scope = useScope();
beforeAll(() => requireNeeds('root', 'criu', 'libcriu', 'runc', 'busybox', 'gcc'));

/** What CRIU does by itself, as runc asks it. */
const plain: CheckpointOptions = {
  networkLock: 'iptables',
  conntrack: 'always',
  tar: 'system',
  pageWriter: 'criu',
};

/** What a container has that is to be in images: files in its tmpfs, and sockets if it is told to. */
const script = (more: string): string[] => [
  '/bin/sh',
  '-c',
  `mkdir /dev/shm/a; echo kept >/dev/shm/a/b; ln -s b /dev/shm/a/c; ${more} exec /workload /ready idle`,
];
const containers: [what: string, args: string[]][] = [
  ['without a socket', script('')],
  [
    'that listens',
    script('/workload /listens listen & until [ -s /listens ]; do usleep 1000; done;'),
  ],
];

/** How often images are restored by CRIU alone: 20 times with `npm run test:restores`. */
const rounds = Number(process.env['LIBCRIU_RESTORE_ROUNDS'] ?? 3);

let number = 0;

async function save(container: Container, options: CheckpointOptions): Promise<string> {
  number += 1;
  const imagePath = container.path(`images-${number}`);
  const { stateRoot } = container;
  await checkpoint(container.id, { stateRoot, imagePath, leaveRunning: true, ...options });
  return imagePath;
}

/** What is another in each dump, and how the network was locked. */
const changing = new Set(['dump_uptime', 'dump_criu_run_id', 'network_lock_method']);

function withoutChanging(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutChanging);
  if (typeof value !== 'object' || value === null) return value;
  // CRIU writes down whatever was in its memory for who may write to this one.
  if ('name' in value && value.name === 'freezer.state') return { ...value, perms: undefined };
  const entries = Object.entries(value).filter(([name]) => !changing.has(name));
  return Object.fromEntries(entries.map(([name, one]) => [name, withoutChanging(one)]));
}

/** All that is in images, by file, but for the time of day. */
async function contentOf(imagePath: string): Promise<Record<string, unknown>> {
  const content: Record<string, unknown> = {};
  for (const name of readdirSync(imagePath).sort()) {
    if (/^tmpfs-/.test(name)) {
      const args = ['--numeric-owner', '-tvzf', join(imagePath, name)];
      content[name] = execFileSync('tar', args, { encoding: 'latin1' }).split('\n').sort();
    } else if (name.startsWith('pages-')) {
      content[name] = readFileSync(join(imagePath, name)).length;
    } else if (name.endsWith('.img') && !name.startsWith('timens-')) {
      const { entries } = await decodeImage(join(imagePath, name));
      content[name] = withoutChanging(entries);
    }
  }
  return content;
}

/** How much of the memory differs: the kernel keeps the number of the processor in each task. */
function differingBytes(one: string, other: string): number {
  const pages = readdirSync(one).filter((name) => name.startsWith('pages-'));
  let count = 0;
  for (const name of pages) {
    const [first, second] = [one, other].map((directory) => readFileSync(join(directory, name)));
    first?.forEach((byte, index) => {
      if (byte !== second?.[index]) count += 1;
    });
  }
  return count;
}

/** What the script has put into a tmpfs. */
const expectedFiles = ['a', 'a/b: kept', 'a/c -> b'];

function filesOf(pid: number): string[] {
  const at = (path: string): string => `/proc/${pid}/root/dev/shm/${path}`;
  const [directory] = readdirSync(at(''));
  const content = readFileSync(at('a/b'), 'utf8').trim();
  return [`${directory}`, `a/b: ${content}`, `a/c -> ${readlinkSync(at('a/c'))}`];
}

/** How many TCP sockets of its network namespace listen. */
function listeners(pid: number): number {
  const tables = ['tcp', 'tcp6'].map((name) => readFileSync(`/proc/${pid}/net/${name}`, 'utf8'));
  return tables.join('\n').match(/^ *\d+: \S+ \S+ 0A /gm)?.length ?? 0;
}

describe.each(containers)('the images of a container %s', (_what, args) => {
  test('are those of plain CRIU, whatever the defaults spare it', async () => {
    const container = await startContainer(scope, { args });
    const [ours, theirs] = [await save(container, {}), await save(container, plain)];
    expect(await contentOf(ours)).toEqual(await contentOf(theirs));
    expect(differingBytes(ours, theirs)).toBeLessThan(64);
  });

  test('are restored by runc 20 of 20 times', async () => {
    for (let round = 0; round < 20; round++) {
      const here = new Scope();
      try {
        const container = await startContainer(here, { args });
        const imagePath = await save(container, { leaveRunning: false });
        await container.restore(imagePath);
        expect(container.isRunning).toBe(true);
      } finally {
        await here.close();
      }
    }
  });

  test(`are restored by criu alone ${rounds} of ${rounds} times`, async () => {
    for (let round = 0; round < rounds; round++) {
      const here = new Scope();
      try {
        const container = await startContainer(here, { args });
        const imagePath = await save(container, { leaveRunning: false });
        const pid = await restoreByCriu(here, container, imagePath);
        expect(isRunning(pid)).toBe(true);
        expect(filesOf(pid)).toEqual(expectedFiles);
        if (args.join(' ').includes('/listens')) expect(listeners(pid)).toBeGreaterThan(0);
      } finally {
        await here.close();
      }
    }
  });
});
