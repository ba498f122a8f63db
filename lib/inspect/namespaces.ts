import type { Entry } from './entry.js';
import type { ImageFiles } from './files.js';
import type { MountReport, NamespaceReport } from './report.js';

const kinds = ['pid', 'net', 'ipc', 'uts', 'mnt', 'user', 'cgroup', 'time'] as const;

/** The file systems by CRIU's numbers of them. */
const fileSystems: readonly (string | undefined)[] = [
  undefined,
  'proc',
  'sysfs',
  'devtmpfs',
  'binfmt_misc',
  'tmpfs',
  'devpts',
  'simfs',
  'pstore',
  'securityfs',
  'fusectl',
  'debugfs',
  'cgroup',
  'aufs',
  'mqueue',
  'fuse',
  undefined,
  'overlay',
  'autofs',
  'tracefs',
  'rpc_pipefs',
  'nfs',
  'nfs4',
  'cgroup2',
];

/** The namespaces of a process, as CRIU numbers them. */
export interface Membership {
  readonly pid: number;
  readonly ids: Entry;
}

/**
 * The namespaces that processes are in.
 *
 * @throws CriuError `ERR_CRIU_IMAGE`
 */
export async function namespacesOf(
  images: ImageFiles,
  members: readonly Membership[],
): Promise<NamespaceReport[]> {
  const outside = (await images.first('inventory.img')).entry('root_ids');
  const reports: NamespaceReport[] = [];
  for (const kind of kinds) {
    const field = `${kind}_ns_id`;
    const pids = new Map<number, number[]>();
    for (const { pid, ids } of members) {
      const id = ids.number(field);
      if (id === 0) continue;
      const list = pids.get(id) ?? [];
      pids.set(id, list);
      list.push(pid);
    }
    for (const [id, list] of pids) {
      const isOutside = outside.number(field) === id;
      const detail = isOutside ? undefined : await detailOf(images, kind, id);
      reports.push({ kind, id, isOutside, pids: list, detail });
    }
  }
  return reports;
}

async function detailOf(
  images: ImageFiles,
  kind: NamespaceReport['kind'],
  id: number,
): Promise<string | undefined> {
  switch (kind) {
    case 'uts':
      return (await images.first(`utsns-${id}.img`)).text('nodename') || undefined;
    case 'net': {
      const devices = await images.entries(`netdev-${id}.img`);
      return devices.map((device) => device.text('name')).join(', ') || undefined;
    }
    case 'mnt': {
      const { length } = await images.entries(`mountpoints-${id}.img`);
      return length === 0 ? undefined : `${length} mounts`;
    }
    default:
      return undefined;
  }
}

/**
 * The mounts that are saved.
 *
 * @throws CriuError `ERR_CRIU_IMAGE`
 */
export async function mountsOf(images: ImageFiles): Promise<MountReport[]> {
  const reports: MountReport[] = [];
  for (const name of images.sizes.keys()) {
    const [, namespace] = /^mountpoints-(\d+)\.img$/.exec(name) ?? [];
    if (namespace === undefined) continue;
    for (const mount of await images.entries(name)) {
      const isExternal = mount.is('ext_mount') || mount.has('ext_key');
      reports.push({
        id: mount.number('mnt_id'),
        parentId: mount.number('parent_mnt_id'),
        mountPoint: mount.text('mountpoint').replace(/^\.?\/*/, '/'),
        type: mount.text('fsname') || fileSystems[mount.number('fstype')] || 'unknown',
        source: mount.text('source'),
        root: mount.text('root'),
        options: mount.text('options'),
        external: isExternal ? mount.text('ext_key') || 'outside' : undefined,
        namespace: Number(namespace),
      });
    }
  }
  return reports.sort((a, b) => (a.mountPoint < b.mountPoint ? -1 : 1));
}
