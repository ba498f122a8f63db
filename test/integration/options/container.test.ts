import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { mkdir, rm, symlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { beforeAll, expect } from 'vitest';
import { type CheckpointOptions, Criu, checkpoint } from '../../helpers/api.js';
import { dumpOk, fieldsReceived } from '../../helpers/criu/attempt.js';
import { CriuLog } from '../../helpers/criu/criu-log.js';
import { decodeCgroups } from '../../helpers/criu/image.js';
import { requireNeeds } from '../../helpers/needs.js';
import { optionTest } from '../../helpers/option-test.js';
import { criuBinary, projectRoot } from '../../helpers/paths.js';
import { useScope } from '../../helpers/scope.js';
import { runOk, until } from '../../helpers/system/exec.js';
import { startWorkload } from '../../helpers/system/process.js';
import { traceSpare } from '../../helpers/system/trace-spare.js';
import { type Container, startContainer } from '../../helpers/workloads/container.js';
import { lockOf } from '../../helpers/workloads/network-container.js';

const scope = useScope();
beforeAll(() =>
  requireNeeds('root', 'criu', 'libcriu', 'runc', 'busybox', 'gcc', 'strace', 'protoc', 'iptables'),
);

let round = 0;

async function checkpointOk(
  container: Container,
  options: CheckpointOptions = {},
): Promise<{ log: CriuLog; imagePath: string }> {
  round += 1;
  const imagePath = container.path(`images-${round}`);
  const { logFile } = await checkpoint(container.id, {
    stateRoot: container.stateRoot,
    imagePath,
    leaveRunning: true,
    ...options,
  });
  return { log: new CriuLog(logFile), imagePath };
}

const idle = { args: ['/workload', '-', 'idle'] };

optionTest('stateRoot', 'the container is looked for there and nowhere else', async () => {
  const container = await startContainer(scope, idle);
  const elsewhere = await scope.directory();
  const imagePath = container.path('images');
  await expect(
    checkpoint(container.id, { stateRoot: elsewhere, imagePath, leaveRunning: true }),
  ).rejects.toMatchObject({
    code: 'ERR_CONTAINER_NOT_FOUND',
    message: expect.stringContaining(elsewhere),
  });
  const { stateRoot } = container;
  const { pid } = await checkpoint(container.id, { stateRoot, imagePath, leaveRunning: true });
  expect(pid).toBe(container.pid);
});

optionTest('engine', 'only its containers are looked for', async () => {
  const container = await startContainer(scope, idle);
  // A state root that is known without being named.
  const known = join('/run/containerd/runc', container.id);
  await mkdir(dirname(known), { recursive: true });
  await symlink(container.stateRoot, known);
  scope.defer(() => rm(known));
  const options = { imagePath: container.path('images'), leaveRunning: true };
  await expect(checkpoint(container.id, { ...options, engine: 'docker' })).rejects.toMatchObject({
    code: 'ERR_CONTAINER_NOT_FOUND',
  });
  const { pid } = await checkpoint(container.id, { ...options, engine: 'runc' });
  expect(pid).toBe(container.pid);
});

optionTest('manageCgroupsMode', 'CRIU looks at cgroups unless they are ignored', async () => {
  const container = await startContainer(scope, idle);
  const field = async (options: CheckpointOptions): Promise<unknown> => {
    round += 1;
    const imagePath = container.path(`images-${round}`);
    const fields = await fieldsReceived(scope, (criu) =>
      checkpoint(container.id, {
        stateRoot: container.stateRoot,
        imagePath,
        leaveRunning: true,
        criu,
        ...options,
      }),
    );
    return fields['manage_cgroups_mode']?.[0];
  };
  expect(await field({})).toBe('SOFT');
  expect(await field({ manageCgroupsMode: 'full' })).toBe('FULL');
  expect(await field({ manageCgroupsMode: 'strict' })).toBe('STRICT');
  expect(await field({ manageCgroupsMode: 'ignore' })).toBe('IGNORE');
  const cgroups = (path: string): string => readFileSync(join(path, 'cgroup.img'), 'latin1');
  const [soft, ignore] = [
    await checkpointOk(container, { manageCgroupsMode: 'soft' }),
    await checkpointOk(container, { manageCgroupsMode: 'ignore' }),
  ];
  expect(cgroups(soft.imagePath)).toContain(container.id);
  // Of the tasks' own set remains; the controllers with their properties do not.
  expect(cgroups(ignore.imagePath).length).toBeLessThan(cgroups(soft.imagePath).length);
});

optionTest('cgroupYard', 'is where CRIU looks at cgroups', async () => {
  const container = await startContainer(scope, idle);
  const yard = container.path('yard');
  const unusable = checkpointOk(container, { cgroupYard: yard });
  await expect(unusable).rejects.toThrow(`couldn't open ${yard}/`);
  // Links to the mounts are as good as these.
  mkdirSync(yard);
  for (const line of readFileSync('/proc/self/cgroup', 'utf8').trim().split('\n')) {
    const name = line.split(':')[1]?.replace(/^name=/, '') || 'unified';
    symlinkSync(join('/sys/fs/cgroup', name), join(yard, name));
  }
  const ours = await checkpointOk(container, { cgroupYard: yard });
  const usual = await checkpointOk(container);
  expect(await decodeCgroups(ours.imagePath)).toBe(await decodeCgroups(usual.imagePath));
});

optionTest('emptyNs', 'the network of a namespace is left out of the images', async () => {
  const { pid } = await startWorkload(scope, ['netns']);
  const network = (files: string[]): string[] =>
    files.filter((name) => /^(netdev|ifaddr|route)/.test(name));
  const [full, empty] = [
    await dumpOk(scope, pid),
    await dumpOk(scope, pid, { emptyNs: ['network'] }),
  ];
  expect(network(full.files).length).toBeGreaterThan(0);
  expect(network(empty.files)).toEqual([]);
});

optionTest('networkLock', 'is in the images, for restore to undo', async () => {
  const container = await startContainer(scope, idle);
  const method = async (options: CheckpointOptions): Promise<string> =>
    lockOf((await checkpointOk(container, options)).imagePath);
  for (const networkLock of ['iptables', 'nftables', 'skip'] as const) {
    expect(await method({ networkLock })).toBe(networkLock);
  }
  expect(await method({ networkLock: 'needed' })).toBe('skip');
});

optionTest('timeoutMs', 'bounds the freezing of a container', async () => {
  const container = await startContainer(scope, idle);
  const { log } = await checkpointOk(container, { timeoutMs: 6_100 });
  expect(log.has(/freezing cgroup .* timeout: 7s/)).toBe(true);
});

optionTest('criu', 'is the CRIU that is asked', async () => {
  const container = await startContainer(scope, idle);
  const fields = await fieldsReceived(scope, (criu) => checkpointOk(container, { criu }));
  expect(fields['pid']).toEqual([String(container.pid)]);
});

/** Of NFNL_SUBSYS_CTNETLINK, as the kernel's headers number them. */
const conntrackMessages: Record<string, string> = {
  '01': 'IPCTNL_MSG_CT_GET',
  '07': 'IPCTNL_MSG_CT_GET_UNCONFIRMED',
};

/** No state of a socket, as strace prints it. */
const noStates = '\\x00'.repeat(4);

/** Which lists of connections and TCP sockets it asks the kernel for. */
async function listsAskedFor(dump: () => Promise<unknown>): Promise<string[]> {
  const messages = (await traceSpare(scope, ['-xx', '-e', 'trace=sendmsg'], dump)).matchAll(
    /nlmsg_type=0x1(\d\d)\b|nlmsg_type=0x14\b.*?"\\x0(2|a)\\x06\\x00\\x00((?:\\x..){4})/g,
  );
  return [...messages].map(([, type = '', family, states]) =>
    family === undefined
      ? (conntrackMessages[type] ?? type)
      : `TCP of IPv${family === '2' ? 4 : 6}, ${states === noStates ? 'none' : 'all'}`,
  );
}

optionTest('conntrack', 'a table without entries of the container is not read', async () => {
  let container = await startContainer(scope, idle);
  const save = async (options: CheckpointOptions = {}): Promise<[string[], string[]]> => {
    // So that the spare is one for the same settings.
    await checkpointOk(container, options);
    let imagePath = '';
    const lists = await listsAskedFor(async () => {
      ({ imagePath } = await checkpointOk(container, options));
    });
    return [lists, readdirSync(imagePath).filter((name) => /^netns-(ct|exp)-/.test(name))];
  };
  const noSockets = ['TCP of IPv4, none', 'TCP of IPv6, none'];
  const sockets = ['TCP of IPv4, all', 'TCP of IPv6, all'];
  const all = ['IPCTNL_MSG_CT_GET', 'IPCTNL_MSG_CT_GET'];
  const none = ['IPCTNL_MSG_CT_GET_UNCONFIRMED', 'IPCTNL_MSG_CT_GET_UNCONFIRMED'];
  expect(await save()).toEqual([[...noSockets, ...none], []]);
  expect(await save({ conntrack: 'always' })).toEqual([[...sockets, ...all], []]);

  await runOk('nsenter', [
    ...['-n', '-t', String(container.pid), 'bash', '-c'],
    `ip link set lo up
     nft 'add table ip t
          add chain ip t c { type filter hook output priority 0; }
          add rule ip t c ct state new accept'
     echo >/dev/udp/127.0.0.1/9`,
  ]);
  const [lists, images] = await save();
  expect(lists).toEqual([...noSockets, ...all]);
  expect(images).toContainEqual(expect.stringMatching(/^netns-ct-/));

  container = await startContainer(scope, { args: ['/workload', '/ready', 'listen'] });
  expect(await save()).toEqual([[...sockets, ...none], []]);
});

optionTest('profile', 'fast sets what is not given', async () => {
  const container = await startContainer(scope, idle);
  const fields = await fieldsReceived(scope, (criu) =>
    checkpointOk(container, { profile: 'fast', criu }),
  );
  expect(fields).toMatchObject({
    network_lock: ['SKIP'],
    manage_cgroups_mode: ['IGNORE'],
    log_level: ['2'],
  });
  const given = await fieldsReceived(scope, (criu) =>
    checkpointOk(container, { profile: 'fast', networkLock: 'iptables', criu }),
  );
  expect(given).toMatchObject({ network_lock: ['IPTABLES'], manage_cgroups_mode: ['IGNORE'] });
});

optionTest('tar', 'native starts no program while the tasks stand still', async () => {
  const container = await startContainer(scope, idle);
  const started = async (options: CheckpointOptions): Promise<number> => {
    // So that the spare is one for the same settings.
    await checkpointOk(container, options);
    const trace = await traceSpare(scope, ['-xx', '-e', 'trace=execve'], () =>
      checkpointOk(container, options),
    );
    return [...trace.matchAll(/execve\(.* = 0$/gm)].length;
  };
  expect(await started({ tar: 'native' })).toBe(0);
  expect(await started({})).toBe(0);
  // A tar, a shell and a gzip for each of the five tmpfs of the container.
  expect(await started({ tar: 'system' })).toBe(15);
});

optionTest('tar', 'native archives the same files, and runc restores them', async () => {
  const script =
    'mkdir -p /dev/shm/a/b; echo kept >/dev/shm/a/b/c; ln -s c /dev/shm/a/b/d; echo ready >/ready; exec sleep 1000000';
  const container = await startContainer(scope, { args: ['/bin/sh', '-c', script] });
  await until('the files are there', () => existsSync(join(container.rootfs, 'ready')));
  const listing = async (options: CheckpointOptions): Promise<string[]> => {
    const { imagePath } = await checkpointOk(container, options);
    const archives = readdirSync(imagePath).filter((name) => name.startsWith('tmpfs-dev-'));
    const texts = await Promise.all(
      archives.map((name) => runOk('tar', ['-tvzf', join(imagePath, name)])),
    );
    // "." and "./" are the same directory; the order is the file system's.
    return texts
      .flatMap((text) => text.trim().split('\n'))
      .map((line) =>
        line
          .replace(/ \.\/$/, ' .')
          .replace(/\/$/, '')
          .replace(/ +/g, ' '),
      )
      .sort();
  };
  expect(await listing({ tar: 'native' })).toEqual(await listing({ tar: 'system' }));
  // CRIU runs the first tar of its PATH.
  const directory = await scope.directory();
  const binary = join(directory, 'criu');
  writeFileSync(
    binary,
    `#!/bin/sh\ncommand -v tar >>"${directory}/tar"\nexec "${criuBinary}" "$@"\n`,
    { mode: 0o755 },
  );
  const imagePath = container.path('native');
  await checkpoint(container.id, {
    stateRoot: container.stateRoot,
    imagePath,
    tar: 'native',
    criu: new Criu({ binary }),
  });
  expect(readFileSync(join(directory, 'tar'), 'utf8')).toContain(projectRoot);
  await container.restore(imagePath);
  const kept = join('/proc', String(container.pid), 'root/dev/shm/a/b/d');
  expect(readFileSync(kept, 'utf8')).toBe('kept\n');
});
