import { join, normalize } from 'node:path';
import { goJson } from '../go-json.js';
import type { ContainerHook, ContainerState } from './container.js';
import { JsonValue } from './json-value.js';

/** The file that makes a directory the state of a runc container. */
export const runcStateFile = 'state.json';

/** runc's names of the namespace types, to the kernel's. */
const namespaceNames: ReadonlyMap<string, string> = new Map([
  ['NEWNET', 'net'],
  ['NEWPID', 'pid'],
  ['NEWNS', 'mnt'],
  ['NEWUTS', 'uts'],
  ['NEWIPC', 'ipc'],
  ['NEWUSER', 'user'],
  ['NEWCGROUP', 'cgroup'],
  ['NEWTIME', 'time'],
]);

/**
 * Reads runc's `state.json`, whose `config` is libcontainer's and not the bundle's. From 1.1 to 1.5
 * it differs in what is left out: older versions write zeros and `null`s, newer ones no key.
 */
export function parseRuncState(stateRoot: string, id: string, text: string): ContainerState {
  const stateDir = join(stateRoot, id);
  const state = JsonValue.parse(join(stateDir, runcStateFile), text);
  if (state.get('id').string() !== id) state.get('id').fail(`the id ${JSON.stringify(id)}`);
  const config = state.get('config');
  const rootfs = config.get('rootfs').absolutePath();
  const { bundle, annotations } = splitLabels(config.get('labels').strings());
  const descriptors = state.get('external_descriptors');
  return {
    id,
    runtime: 'runc',
    stateRoot,
    stateDir,
    ociVersion: config.get('version').optionalString(),
    initPid: state.get('init_process_pid').integer(),
    initStartTime: state.get('init_process_start').integer(),
    rootfs,
    configuredRootfs: rootfs,
    bundle,
    cgroupPaths: cgroupPaths(state.get('cgroup_paths')),
    namespaces: config
      .get('namespaces')
      .list()
      .map((entry) => {
        const type = entry.get('type');
        const name = namespaceNames.get(type.string());
        return {
          type: name ?? type.fail('a namespace type'),
          path: entry.get('path').optionalString(),
        };
      }),
    mounts: config
      .get('mounts')
      .list()
      .map((entry) => ({
        source: entry.get('source').optionalString(),
        destination: entry.get('destination').string(),
        type: entry.get('device').optionalString(),
      })),
    maskPaths: config.get('mask_paths').strings(),
    devices: config
      .get('devices')
      .list()
      .map((entry) => entry.get('path').string()),
    annotations,
    externalDescriptors: descriptors.strings(),
    // runc restores from this text, so it must be what runc writes: "null" for a nil list of Go.
    descriptorsJson: descriptors.absent ? 'null' : goJson(descriptors.strings()),
    prestartHooks: config.get('Hooks').get('prestart').list().map(hook),
    poststopHooks: config.get('Hooks').get('poststop').list().map(hook),
    intelRdtPath: intelRdtPath(state, config, id),
  };
}

/** A label is `key=value`; runc adds the bundle to the user's annotations. */
function splitLabels(labels: readonly string[]): {
  bundle: string;
  annotations: ReadonlyMap<string, string>;
} {
  let bundle = '';
  const annotations = new Map<string, string>();
  for (const label of labels) {
    const at = label.indexOf('=');
    if (at < 0) continue;
    const value = label.slice(at + 1);
    if (label.slice(0, at) === 'bundle') bundle = value;
    else annotations.set(label.slice(0, at), value);
  }
  return { bundle, annotations };
}

function cgroupPaths(value: JsonValue): ReadonlyMap<string, string> {
  return new Map(
    value.entries().map(([controller, entry]) => {
      const path = entry.absolutePath();
      // These directories are frozen and removed: nothing but the plain path to one will do.
      if (normalize(path) !== path || path === '/') entry.fail('a plain absolute path');
      return [controller, path] as const;
    }),
  );
}

function hook(value: JsonValue): ContainerHook {
  const env = value.get('env');
  // A duration of Go is in nanoseconds.
  const timeout = value.get('timeout').optionalInteger();
  return {
    path: value.get('path').string(),
    args: value.get('args').strings(),
    env: env.absent ? undefined : env.strings(),
    timeoutMs: timeout === undefined ? undefined : Math.ceil(timeout / 1e6),
  };
}

/** Only a group that runc made itself, named after the container; a named class is shared. */
function intelRdtPath(state: JsonValue, config: JsonValue, id: string): string | undefined {
  const path = state.get('intel_rdt_path').optionalString();
  const rdt = config.get('intel_rdt');
  const own = !rdt.absent && rdt.get('closID').optionalString() === '' && path.endsWith(`/${id}`);
  return own ? path : undefined;
}
