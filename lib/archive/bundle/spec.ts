import { ContradictionError, CriuError, invalidArgValue } from '../../base/errors.js';
import { option, sentence } from '../../base/sentence.js';
import type { JoinedNamespace } from '../../options/joined-namespace.js';

/** A specification of a container for its runtime, of which only some parts are known here. */
export interface Spec {
  [name: string]: unknown;
  annotations?: Record<string, unknown>;
  hooks?: Record<string, unknown>;
  linux?: { [name: string]: unknown; namespaces?: Namespace[]; cgroupsPath?: unknown };
  mounts?: SpecMount[];
  root?: Record<string, unknown>;
}

/** A namespace of a container. One without a path is its own. */
interface Namespace {
  type: string;
  path?: string;
}

/** A mount of a container. */
export interface SpecMount {
  [name: string]: unknown;
  destination: string;
  type?: string;
  source?: string;
  options?: string[];
}

/** What a specification is changed by, so that another machine can run it under another name. */
export interface SpecChanges {
  /** The id that the container is to have. */
  id: string;
  /** The mounts in place of its own. */
  mounts: readonly SpecMount[];
  /** What is left when the container is gone. */
  poststop: readonly Hook[];
  joinNs: readonly JoinedNamespace[];
  /** Whether this machine is run by systemd. */
  hasSystemd: boolean;
  /** Whether a path leads to something. */
  exists: (path: string) => Promise<boolean>;
}

/** A program that the runtime starts. */
export interface Hook {
  path: string;
  args: readonly string[];
}

/** Reads the text of a `spec.dump`. */
export function parseSpec(text: string): Spec {
  let spec: unknown;
  try {
    spec = JSON.parse(text);
  } catch {
    return refuseSpec('it is not whole JSON');
  }
  if (!isObject(spec)) return refuseSpec('it is no object');
  const { mounts, linux, annotations, hooks } = spec;
  for (const part of [linux, annotations, hooks]) {
    if (part !== undefined && part !== null && !isObject(part))
      refuseSpec('a part of it is no object');
  }
  const namespaces = isObject(linux) ? linux['namespaces'] : undefined;
  requireList(mounts, 'mounts', isMount);
  requireList(namespaces, 'namespaces', isNamespace);
  return spec as Spec;
}

function refuseSpec(why: string): never {
  throw new CriuError(
    'ERR_CHECKPOINT_ARCHIVE',
    `The specification of the container in the checkpoint cannot be used: ${why}`,
  );
}

function requireList(
  list: unknown,
  name: string,
  isGood: (one: Record<string, unknown>) => boolean,
): void {
  if (list === undefined || list === null) return;
  const good = Array.isArray(list) && list.every((one: unknown) => isObject(one) && isGood(one));
  if (!good) refuseSpec(`its ${name} are not as a runtime has them`);
}

function isMount({ destination, type, source, options }: Record<string, unknown>): boolean {
  const hasTexts = isText(destination) && isOptional(type, isText) && isOptional(source, isText);
  return hasTexts && isOptional(options, (list) => Array.isArray(list) && list.every(isText));
}

function isNamespace({ type, path }: Record<string, unknown>): boolean {
  return isText(type) && isOptional(path, isText);
}

function isOptional(value: unknown, isGood: (value: unknown) => boolean): boolean {
  return value === undefined || isGood(value);
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && !value.includes('\0');
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** What engines know their containers by: a container that they have not started is not theirs. */
const engineKeys = /^io\.(?:container\.manager$|podman\.|kubernetes\.|containerd\.)/;

/** The names of namespaces as CRIU has them, and as the specification has them. */
const namespaceTypes: Readonly<Record<JoinedNamespace['type'], string>> = {
  net: 'network',
  uts: 'uts',
  ipc: 'ipc',
  time: 'time',
  mnt: 'mount',
};

/**
 * The specification for a container that is restored from a checkpoint and has no engine: with a bundle of
 * its own, in namespaces and a cgroup of its own.
 *
 * @throws RangeError for a namespace that is not there, and that `joinNs` does not give another for.
 */
export async function importedSpec(
  spec: Spec,
  changes: SpecChanges,
): Promise<{ spec: Spec; warnings: string[] }> {
  const { id, mounts, poststop, hasSystemd } = changes;
  const linux = spec.linux ?? {};
  const had = Object.values(spec.hooks ?? {})
    .flat()
    .filter((hook) => hook !== null);
  const warnings =
    had.length === 0
      ? []
      : [`The container is restored without the ${had.length} hooks of its engine`];
  const annotations = Object.entries(spec.annotations ?? {}).filter(
    ([key]) => !engineKeys.test(key),
  );
  return {
    spec: {
      ...spec,
      root: { ...spec.root, path: 'rootfs' },
      mounts: [...mounts],
      annotations: Object.fromEntries(annotations),
      hooks: poststop.length === 0 ? {} : { poststop },
      linux: {
        ...linux,
        namespaces: await namespacesFor(linux.namespaces ?? [], changes),
        cgroupsPath: cgroupFor(id, linux.cgroupsPath, hasSystemd),
      },
    },
    warnings,
  };
}

/** The runtime's own place, or the slice that it was in. */
function cgroupFor(id: string, former: unknown, hasSystemd: boolean): string {
  const [, slice] = /^([^/:]*):[^:/]*:[^:/]+$/.exec(typeof former === 'string' ? former : '') ?? [];
  return hasSystemd && slice !== undefined ? `${slice}:libcriu:${id}` : `/${id}`;
}

async function namespacesFor(
  namespaces: readonly Namespace[],
  { joinNs, exists }: SpecChanges,
): Promise<Namespace[]> {
  for (const { type } of joinNs) {
    if (namespaces.some((one) => one.type === namespaceTypes[type])) continue;
    throw invalidArgValue('joinNs', 'namespaces that the container has', type);
  }
  return await Promise.all(
    namespaces.map(async (namespace) => {
      const joined = joinNs.find(({ type }) => namespaceTypes[type] === namespace.type);
      if (joined !== undefined) return { ...namespace, path: joined.path };
      return await withoutPath(namespace, exists);
    }),
  );
}

/**
 * A namespace in which the container was with others. What is in it CRIU has saved, except for the network
 * and the process ids.
 */
async function withoutPath(
  { type, path }: Namespace,
  exists: SpecChanges['exists'],
): Promise<Namespace> {
  if (path === undefined || path === '') return { type };
  if (type === 'pid') {
    throw new CriuError(
      'ERR_CHECKPOINT_ARCHIVE',
      'The container shares its process ids with others, and cannot be restored without them',
    );
  }
  if (type !== 'network') return { type };
  // A path of /proc names a process, and another one has its pid by now.
  if (!path.startsWith('/proc/') && (await exists(path))) return { type, path };
  throw new ContradictionError(
    ['from', 'joinNs'],
    sentence`The container was in the network namespace ${path}, which is not there: make one, as by
      ip netns add, and give it as ${option('joinNs')}`,
  );
}
