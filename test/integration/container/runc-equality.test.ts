import { mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { type CheckpointOptions, checkpoint } from '../../helpers/api.js';
import { type Fields, fieldsReceived } from '../../helpers/criu/attempt.js';
import { decodeCgroups } from '../../helpers/criu/image.js';
import { requireNeeds } from '../../helpers/needs.js';
import { environmentWithCriu } from '../../helpers/paths.js';
import { useScope } from '../../helpers/scope.js';
import { runOk } from '../../helpers/system/exec.js';
import { startWorkload } from '../../helpers/system/process.js';
import { type FieldValue, traceCriu } from '../../helpers/system/strace.js';
import {
  type BundleConfig,
  type Container,
  startContainer,
} from '../../helpers/workloads/container.js';

const scope = useScope();
beforeAll(() =>
  requireNeeds('root', 'criu', 'rpc.proto', 'runc', 'busybox', 'gcc', 'strace', 'protoc'),
);

/** One process, so that the names of the images do not depend on the moment. */
const args = ['/workload', '-', 'count', '/log', '20000'];

/** What means the same to CRIU becomes the same: see `message criu_opts` of rpc.proto. */
function normalised(fields: Fields): Record<string, FieldValue[]> {
  const found: Record<string, FieldValue[]> = { ...fields };
  // Numbers of descriptors of either caller.
  for (const name of ['images_dir_fd', 'work_dir_fd']) if (found[name]) found[name] = ['(fd)'];
  // manage_cgroups alone means soft; older runc sends only it, newer both.
  if (found['manage_cgroups']?.[0] === 'true') found['manage_cgroups_mode'] ??= ['SOFT'];
  if (found['manage_cgroups_mode'] !== undefined) delete found['manage_cgroups'];
  // What CRIU takes without being told.
  if (found['network_lock']?.[0] === 'IPTABLES') delete found['network_lock'];
  // Where CRIU looks at cgroups, not what it saves of them: that is compared in the images.
  delete found['cgroup_yard'];
  for (const [name, values] of Object.entries(found)) {
    // false and an absent flag are one.
    if (values.length === 1 && (values[0] === 'false' || values[0] === '')) delete found[name];
    // The order of a list of mounts has no meaning; a mount that is named twice is the same mount.
    if (values.length > 1) {
      const unique = new Map(values.map((value) => [JSON.stringify(value), value]));
      found[name] = [...unique.keys()].sort().map((key) => unique.get(key) ?? '');
    }
  }
  return found;
}

async function fieldsOfRunc(container: Container, flags: string[]): Promise<Fields> {
  const traced = await traceCriu(scope);
  await runOk(
    'runc',
    [
      '--root',
      container.stateRoot,
      'checkpoint',
      '--image-path',
      container.path('theirs'),
      '--leave-running',
      ...flags,
      container.id,
    ],
    { env: environmentWithCriu(traced.directory), cwd: container.directory },
  );
  const request = (await traced.requests()).find(({ type }) => type === 'DUMP');
  if (request === undefined) throw new Error('runc sent no DUMP');
  return request.opts;
}

async function fieldsOfOurs(container: Container, options: CheckpointOptions): Promise<Fields> {
  return await fieldsReceived(scope, (criu) =>
    checkpoint(container.id, {
      stateRoot: container.stateRoot,
      imagePath: container.path('ours'),
      leaveRunning: true,
      networkLock: 'iptables',
      criu,
      ...options,
    }),
  );
}

interface Case {
  what: string;
  flags?: string[];
  options?: (container: Container) => CheckpointOptions;
  flagsFor?: (container: Container) => string[];
  configure?: (config: BundleConfig, directories: { bundle: string; rootfs: string }) => void;
}

const cases: Case[] = [
  { what: 'defaults' },
  {
    what: 'every boolean on',
    flags: ['--tcp-established', '--ext-unix-sk', '--shell-job', '--file-locks', '--auto-dedup'],
    options: () => ({
      tcpEstablished: true,
      extUnixSk: true,
      shellJob: true,
      fileLocks: true,
      autoDedup: true,
    }),
  },
  {
    what: 'manageCgroupsMode soft',
    flags: ['--manage-cgroups-mode', 'soft'],
    options: () => ({ manageCgroupsMode: 'soft' }),
  },
  {
    what: 'manageCgroupsMode full',
    flags: ['--manage-cgroups-mode', 'full'],
    options: () => ({ manageCgroupsMode: 'full' }),
  },
  {
    what: 'manageCgroupsMode strict',
    flags: ['--manage-cgroups-mode', 'strict'],
    options: () => ({ manageCgroupsMode: 'strict' }),
  },
  {
    what: 'emptyNs network',
    flags: ['--empty-ns', 'network'],
    options: () => ({ emptyNs: ['network'] }),
  },
  {
    what: 'a work path',
    flagsFor: (container) => ['--work-path', container.path('theirs-work')],
    options: (container) => ({ workPath: container.path('ours-work') }),
  },
  {
    what: 'bind mounts, one of them through a symbolic link in the rootfs',
    configure: (config, { bundle, rootfs }) => {
      const source = join(bundle, 'source');
      mkdirSync(source);
      mkdirSync(join(rootfs, 'real'));
      symlinkSync('/real', join(rootfs, 'linked'));
      config.mounts.push(
        { destination: '/data', type: 'bind', source, options: ['bind', 'ro'] },
        { destination: '/linked/deep', type: 'bind', source, options: ['rbind'] },
        { destination: '/a/../b', type: 'bind', source, options: ['bind'] },
      );
    },
  },
  {
    what: 'masked and read-only paths',
    configure: (config) => {
      config.linux.maskedPaths = [
        '/proc/kcore',
        '/proc/keys',
        '/proc/sysrq-trigger',
        '/sys/firmware',
        '/nowhere',
      ];
      config.linux.readonlyPaths = ['/proc/sys'];
    },
  },
  {
    what: 'devices',
    configure: (config) => {
      config.linux.devices = [
        { path: '/dev/zero2', type: 'c', major: 1, minor: 5, fileMode: 0o666 },
      ];
    },
  },
  {
    what: 'a cgroup namespace',
    configure: (config) => {
      config.linux.namespaces.push({ type: 'cgroup' });
    },
  },
  {
    what: 'a configuration file by annotation',
    configure: (config, { bundle }) => {
      writeFileSync(join(bundle, 'criu.conf'), 'tcp-established\n');
      config.annotations = { 'org.criu.config': join(bundle, 'criu.conf') };
    },
  },
];

describe('CRIU receives the same request from runc checkpoint and from us', () => {
  test.each(cases)('$what', async ({ flags = [], flagsFor, options, configure }) => {
    const container = await startContainer(scope, { args, ...(configure && { configure }) });
    const theirs = await fieldsOfRunc(container, [...flags, ...(flagsFor?.(container) ?? [])]);
    const ours = await fieldsOfOurs(container, options?.(container) ?? {});
    expect(normalised(ours)).toEqual(normalised(theirs));
    // The file set of the dump is the same too, but for ours that says which container it is of.
    const names = (directory: string): string[] => readdirSync(container.path(directory)).sort();
    expect(names('ours')).toEqual(
      [...names('theirs'), 'libcriu-container.json', 'libcriu-criu.json'].sort(),
    );
    // So are the cgroups, although we point CRIU to those that are mounted.
    const cgroups = (directory: string): Promise<string> =>
      decodeCgroups(container.path(directory));
    expect(await cgroups('ours')).toBe(await cgroups('theirs'));
  });
});

test('CRIU receives the same request for a container in a network namespace that is not its own', async () => {
  const holder = await startWorkload(scope, ['netns']);
  const container = await startContainer(scope, {
    args,
    configure: (config) => {
      const network = config.linux.namespaces.find(({ type }) => type === 'network');
      if (network) network.path = `/proc/${holder.pid}/ns/net`;
    },
  });
  const theirs = normalised(await fieldsOfRunc(container, []));
  const ours = normalised(await fieldsOfOurs(container, {}));
  expect(ours).toEqual(theirs);
  expect(JSON.stringify(ours['external'])).toMatch(/net\[\d+\]:extRootNetNS/);
});

test('by default the network lock and the cgroup yard are the only differences', async () => {
  const container = await startContainer(scope, { args });
  const theirs = normalised(await fieldsOfRunc(container, []));
  const fields = await fieldsReceived(scope, (criu) =>
    checkpoint(container.id, {
      stateRoot: container.stateRoot,
      imagePath: container.path('ours'),
      leaveRunning: true,
      criu,
    }),
  );
  const { network_lock, ...ours } = normalised(fields);
  expect(ours).toEqual(theirs);
  expect([['/sys/fs/cgroup'], undefined]).toContainEqual(fields['cgroup_yard']);
  // There is no socket in it.
  expect(network_lock).toEqual(['SKIP']);
});
