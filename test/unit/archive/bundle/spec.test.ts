import { describe, expect, test } from 'vitest';
import { importedSpec, parseSpec, type SpecChanges } from '../../../../lib/archive/bundle/spec.js';

const changes: SpecChanges = {
  id: 'web',
  mounts: [{ destination: '/proc', type: 'proc' }],
  poststop: [],
  joinNs: [],
  hasSystemd: false,
  exists: async (path) => path === '/run/netns/there',
};

const linux = (namespaces: unknown[], cgroupsPath = '/libpod_parent/libpod-1'): string =>
  JSON.stringify({ linux: { namespaces, cgroupsPath, resources: { pids: { limit: 7 } } } });

async function namespaces(list: unknown[], more: Partial<SpecChanges> = {}): Promise<unknown> {
  const { spec } = await importedSpec(parseSpec(linux(list)), { ...changes, ...more });
  return spec.linux?.namespaces;
}

test('a specification gets a root, mounts and a cgroup of its own, and keeps the rest', async () => {
  const text = JSON.stringify({
    hostname: 'box',
    process: { args: ['a'], terminal: false },
    root: { path: '/somewhere', readonly: true },
    annotations: {
      'io.container.manager': 'libpod',
      'io.podman.annotations.init': 'FALSE',
      'io.kubernetes.cri-o.Name': 'x',
      'org.systemd.property.DelegateControllers': "'yes'",
      'org.example': 'kept',
    },
    hooks: { prestart: [{ path: '/proc/7/exe' }], poststop: null },
    mounts: [{ destination: '/', type: 'bind' }],
    linux: { cgroupsPath: 'machine.slice:libpod:1', resources: { pids: { limit: 7 } } },
  });
  const { spec, warnings } = await importedSpec(parseSpec(text), {
    ...changes,
    poststop: [{ path: '/bin/rm', args: ['rm'] }],
  });
  expect(spec).toEqual({
    hostname: 'box',
    process: { args: ['a'], terminal: false },
    root: { path: 'rootfs', readonly: true },
    annotations: { 'org.example': 'kept', 'org.systemd.property.DelegateControllers': "'yes'" },
    hooks: { poststop: [{ path: '/bin/rm', args: ['rm'] }] },
    mounts: changes.mounts,
    linux: { namespaces: [], cgroupsPath: '/web', resources: { pids: { limit: 7 } } },
  });
  expect(warnings).toEqual(['The container is restored without the 1 hooks of its engine']);
});

test.each([
  ['machine.slice:libpod:1', true, 'machine.slice:libcriu:web'],
  [':cri-containerd:1', true, ':libcriu:web'],
  ['machine.slice:libpod:1', false, '/web'],
  ['/a/b', true, '/web'],
  ['a:b', true, '/web'],
])('the cgroup %s becomes, with systemd %s, %s', async (path, hasSystemd, expected) => {
  const { spec } = await importedSpec(parseSpec(linux([], path)), { ...changes, hasSystemd });
  expect(spec.linux?.cgroupsPath).toBe(expected);
});

describe('namespaces', () => {
  test('of its own stay so, and those that it shared become its own', async () => {
    const shared = [
      { type: 'pid' },
      { type: 'network', path: '' },
      { type: 'ipc', path: '/proc/7/ns/ipc' },
      { type: 'uts', path: '/proc/7/ns/uts' },
    ];
    expect(await namespaces(shared)).toEqual([
      { type: 'pid' },
      { type: 'network' },
      { type: 'ipc' },
      { type: 'uts' },
    ]);
  });

  test('of the network are used where they are', async () => {
    const there = { type: 'network', path: '/run/netns/there' };
    expect(await namespaces([there])).toEqual([there]);
  });

  test.each(['/run/netns/gone', '/proc/1/ns/net'])(
    'of the network at %s are asked for',
    async (path) => {
      const error: unknown = await namespaces([{ type: 'network', path }]).catch((e: unknown) => e);
      expect(error).toMatchObject({ code: 'ERR_INVALID_ARG_VALUE', options: ['from', 'joinNs'] });
      const joinNs = [{ type: 'net', path: '/run/netns/web' }] as const;
      expect(await namespaces([{ type: 'network', path }], { joinNs })).toEqual([
        { type: 'network', path: '/run/netns/web' },
      ]);
    },
  );

  test('that the container has not are refused', async () => {
    const joinNs = [{ type: 'net', path: '/run/netns/web' }] as const;
    await expect(namespaces([{ type: 'pid' }], { joinNs })).rejects.toThrow(/joinNs/);
  });

  test('of process ids that are shared are refused', async () => {
    await expect(namespaces([{ type: 'pid', path: '/proc/1/ns/pid' }])).rejects.toMatchObject({
      code: 'ERR_CHECKPOINT_ARCHIVE',
    });
  });
});

test.each([
  '',
  '7',
  '[]',
  'null',
  '{"mounts":7}',
  '{"mounts":[7]}',
  '{"mounts":[{}]}',
  '{"linux":[]}',
  '{"linux":{"namespaces":{}}}',
  '{"linux":{"namespaces":[{"type":7}]}}',
  '{"annotations":7}',
  '{"hooks":[]}',
])('the specification %s is refused', (text) => {
  expect(() => parseSpec(text)).toThrow(
    expect.objectContaining({ code: 'ERR_CHECKPOINT_ARCHIVE' }),
  );
});
