import { copyFileSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { kinds } from '../../../lib/images/codec/kinds.js';
import { checkpoint, decodeImage, dump, encodeImage } from '../../helpers/api.js';
import { critDecode, withoutBreaks } from '../../helpers/criu/crit.js';
import { requireNeeds } from '../../helpers/needs.js';
import { Scope } from '../../helpers/scope.js';
import { startWorkload, workloadBinary } from '../../helpers/system/process.js';
import { startContainer } from '../../helpers/workloads/container.js';

beforeAll(() => requireNeeds('root', 'criu', 'libcriu', 'build', 'runc', 'busybox', 'gcc', 'crit'));

/** Files that are no images with entries, by the programs that read them. */
const foreign =
  /^pages-|^(?:ifaddr|route6?|rule|iptables|ip6tables|nftables|netns-ct|netns-exp)-|tar\.gz|\.json$|\.log$|^parent$/;

async function dumpProcess(scope: Scope): Promise<string> {
  const files = await scope.directory();
  const { pid } = await startWorkload(scope, [files, 'net'], { program: 'kinds' });
  const imagePath = join(await scope.directory(), 'images');
  await dump(pid, { imagePath, tcpEstablished: true, fileLocks: true });
  return imagePath;
}

async function dumpContainer(scope: Scope): Promise<string> {
  const program = await workloadBinary('kinds');
  const container = await startContainer(scope, {
    args: ['/workload', '/ready', '/tmp', 'sysv'],
    configure: (_, { rootfs }) => copyFileSync(program, join(rootfs, 'workload')),
  });
  const imagePath = container.path('images');
  await checkpoint(container.id, {
    imagePath,
    stateRoot: container.stateRoot,
    tcpEstablished: true,
    fileLocks: true,
    leaveRunning: true,
  });
  return imagePath;
}

describe.each([
  ['a process', dumpProcess],
  ['a container', dumpContainer],
] as const)('the images of %s with something of each kind', (what, make) => {
  const shared = new Scope();
  /** The images' paths. */
  let paths: string[] = [];
  beforeAll(async () => {
    try {
      const directory = await make(shared);
      paths = readdirSync(directory)
        .filter((name) => !foreign.test(name))
        .map((name) => join(directory, name));
    } catch (error) {
      await shared.close();
      throw error;
    }
    return () => shared.close();
  });

  test('are the same again when they have been JSON', async () => {
    for (const path of paths) {
      const image = JSON.parse(JSON.stringify(await decodeImage(path)));
      expect((await encodeImage(image)).equals(readFileSync(path)), path).toBe(true);
      expect(JSON.stringify(image), path).not.toContain('"raw"');
    }
  });

  test('are what crit says', async () => {
    const byCrit = await critDecode(paths);
    expect(byCrit.size).toBe(paths.length);
    for (const path of paths) {
      const text = byCrit.get(path) ?? '';
      const image = await decodeImage(path);
      expect(withoutBreaks(image), path).toEqual(withoutBreaks(JSON.parse(text)));
      const again = await encodeImage(JSON.parse(text));
      expect(again.equals(readFileSync(path)), path).toBe(true);
    }
  });

  test('are of many kinds', async () => {
    const seen = new Set<string>();
    for (const path of paths) seen.add((await decodeImage(path)).magic);
    const expected =
      what === 'a process'
        ? ['NETNS', 'NETDEV', 'FILES', 'PIPES_DATA', 'SK_QUEUES', 'TCP_STREAM', 'GHOST_FILE']
        : ['MNTS', 'UTSNS', 'IPC_VAR', 'IPCNS_SHM', 'IPCNS_MSG', 'IPCNS_SEM', 'CGROUP'];
    expect([...seen]).toEqual(expect.arrayContaining(expected));
    expect([...seen].filter((magic) => !(magic in kinds))).toEqual([]);
  });
});
