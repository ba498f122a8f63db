import { join, normalize, resolve } from 'node:path';
import { hierarchyName, ownHierarchies } from '../../linux/cgroup.js';
import type { Host } from '../../linux/host.js';
import type { ContainerHook, ContainerNamespace, ContainerState } from './container.js';
import { JsonValue } from './json-value.js';

/** The file that makes a directory the state of a crun container. */
export const crunStatusFile = 'status';
/** crun's copy of the bundle's configuration. */
export const crunConfigFile = 'config.json';

/** The OCI names of the namespace types, to the kernel's. */
const namespaceNames: ReadonlyMap<string, string> = new Map([
  ['network', 'net'],
  ['pid', 'pid'],
  ['mount', 'mnt'],
  ['uts', 'uts'],
  ['ipc', 'ipc'],
  ['user', 'user'],
  ['cgroup', 'cgroup'],
  ['time', 'time'],
]);

/** Reads crun's `status` and the OCI `config.json` beside it. */
export async function parseCrunState(
  stateRoot: string,
  id: string,
  texts: { status: string; config: string },
  host: Host,
): Promise<ContainerState> {
  const stateDir = join(stateRoot, id);
  const status = JsonValue.parse(join(stateDir, crunStatusFile), texts.status);
  const config = JsonValue.parse(join(stateDir, crunConfigFile), texts.config);
  const bundle = status.get('bundle').absolutePath();
  const rootfs = status.get('rootfs').string();
  const linux = config.get('linux');
  const descriptors = status.get('external_descriptors').optionalString();
  return {
    id,
    runtime: 'crun',
    stateRoot,
    stateDir,
    // crun tells its hooks this version, whatever the configuration says.
    ociVersion: '1.0',
    initPid: status.get('pid').integer(),
    initStartTime: status.get('process-start-time').optionalInteger() ?? 0,
    rootfs: resolve(bundle, rootfs),
    configuredRootfs: config.get('root').get('path').optionalString(),
    bundle,
    cgroupPaths: await cgroupPaths(status.get('cgroup-path'), host),
    namespaces: linux.get('namespaces').list().map(namespace),
    mounts: config
      .get('mounts')
      .list()
      .map((entry) => ({
        source: entry.get('source').optionalString(),
        destination: entry.get('destination').string(),
        // To crun it is the options that make a bind mount, and not the type.
        type: isBind(entry) ? 'bind' : entry.get('type').optionalString(),
      })),
    maskPaths: linux.get('maskedPaths').strings(),
    // crun makes device nodes, or bind mounts of which it tells CRIU nothing.
    devices: [],
    annotations: new Map(
      config
        .get('annotations')
        .entries()
        .map(([key, value]) => [key, value.string()]),
    ),
    externalDescriptors:
      descriptors === ''
        ? []
        : JsonValue.parse(
            `external_descriptors of ${join(stateDir, crunStatusFile)}`,
            descriptors,
          ).strings(),
    descriptorsJson: descriptors === '' ? '[]' : descriptors,
    prestartHooks: config.get('hooks').get('prestart').list().map(hook),
    poststopHooks: config.get('hooks').get('poststop').list().map(hook),
    intelRdtPath: undefined,
  };
}

function namespace(value: JsonValue): ContainerNamespace {
  const type = value.get('type');
  return {
    type: namespaceNames.get(type.string()) ?? type.fail('a namespace type'),
    path: value.get('path').optionalString(),
  };
}

function isBind(mount: JsonValue): boolean {
  return mount
    .get('options')
    .strings()
    .some((option) => option === 'bind' || option === 'rbind');
}

function hook(value: JsonValue): ContainerHook {
  const env = value.get('env');
  // The OCI configuration has seconds, and 0 means no limit.
  const timeout = value.get('timeout').optionalInteger() ?? 0;
  return {
    path: value.get('path').string(),
    args: value.get('args').strings(),
    env: env.absent ? undefined : env.strings(),
    timeoutMs: timeout > 0 ? timeout * 1000 : undefined,
  };
}

/** crun records one path; on cgroup v1 it is the same in every hierarchy that crun itself is in. */
async function cgroupPaths(value: JsonValue, host: Host): Promise<ReadonlyMap<string, string>> {
  const path = value.optionalString();
  if (path === '') return new Map();
  const rooted = `/${path.replace(/^\/+/, '')}`;
  if (normalize(rooted) !== rooted || rooted === '/') value.fail('a plain path of a cgroup');
  if (await host.unified()) return new Map([['', host.cgroupRoot + rooted]]);
  return new Map(
    (await ownHierarchies(host)).map((hierarchy) => {
      const name = hierarchyName(hierarchy);
      return [name, join(host.cgroupRoot, hierarchyDirectory(name), rooted)];
    }),
  );
}

function hierarchyDirectory(name: string): string {
  // The kernel lists these pairs in either order, while the directories have fixed names.
  if (name === 'cpuacct,cpu') return 'cpu,cpuacct';
  if (name === 'net_prio,net_cls') return 'net_cls,net_prio';
  return name === '' ? 'unified' : name;
}
