import { ContradictionError, invalidArgValue } from '../../base/errors.js';
import { option, sentence } from '../../base/sentence.js';
import type { SpecMount } from './spec.js';

/** A mount whose source has to be made, because its engine made it. */
export type MadeSource =
  /** `/dev/shm`. */
  | { kind: 'shm' }
  /** A volume of the engine, whose content is in the checkpoint. */
  | { kind: 'volume'; name: string }
  /** A file such as `/etc/hosts`. */
  | { kind: 'file'; destination: string }
  | { kind: 'directory'; destination: string };

/** A mount of the container, with where its source comes from. */
export interface PlannedMount {
  mount: SpecMount;
  /** What has to be made; undefined where the source is there. */
  made?: MadeSource;
}

/** What is known of the mounts of a container that is to be restored. */
export interface MountFacts {
  /** The option `volumes`: a source for each destination. */
  volumes: ReadonlyMap<string, string>;
  /** The volumes in the checkpoint: a name for each destination. */
  archived: ReadonlyMap<string, string>;
  /** Whether a path leads to something. */
  exists: (path: string) => Promise<boolean>;
}

/** What engines make for each container, and mount there. */
const engineFiles: ReadonlyMap<string, 'file' | 'directory'> = new Map([
  ['/etc/hostname', 'file'],
  ['/etc/hosts', 'file'],
  ['/etc/resolv.conf', 'file'],
  ['/run/.containerenv', 'file'],
  ['/run/secrets', 'directory'],
]);

/**
 * Decides for each mount of a container where its source comes from. Only those that show a file or
 * directory of the host have one.
 *
 * @throws RangeError for a source that is not there, and for a volume that the container has no mount for.
 */
export async function planMounts(
  mounts: readonly SpecMount[],
  facts: MountFacts,
): Promise<PlannedMount[]> {
  const destinations = mounts.filter(isBind).map(({ destination }) => trimmed(destination));
  for (const destination of facts.volumes.keys()) {
    if (destinations.includes(destination)) continue;
    const all = destinations.length === 0 ? 'none' : destinations.join(', ');
    const expected = 'destinations that the container has a mount for';
    throw invalidArgValue('volumes', expected, destination, `it has ${all}`);
  }
  return await Promise.all(mounts.map((mount) => plan(mount, facts)));
}

async function plan(mount: SpecMount, facts: MountFacts): Promise<PlannedMount> {
  if (!isBind(mount)) return { mount };
  const destination = trimmed(mount.destination);
  const given = facts.volumes.get(destination);
  if (given !== undefined) return { mount: { ...mount, source: given } };
  if (destination === '/dev/shm') return { mount, made: { kind: 'shm' } };
  const name = facts.archived.get(destination);
  if (name !== undefined) return { mount, made: { kind: 'volume', name } };
  const kind = engineFiles.get(destination);
  if (kind !== undefined) return { mount, made: { kind, destination } };
  if (mount.source !== undefined && (await facts.exists(mount.source))) return { mount };
  throw new ContradictionError(
    ['from', 'volumes'],
    sentence`The container has ${mount.source ?? 'something'} mounted at ${destination}, which is not there:
      give what is to be there as ${option('volumes')}`,
  );
}

function isBind({ type, options = [] }: SpecMount): boolean {
  return type === 'bind' || options.includes('bind') || options.includes('rbind');
}

/** A destination as it is compared. */
export function trimmed(destination: string): string {
  return destination.replace(/(?<=.)\/+$/, '');
}

/**
 * Reads the option `volumes`.
 *
 * @throws RangeError for a destination that is given twice.
 */
export function parseVolumes(volumes: readonly string[]): Map<string, string> {
  const parsed = new Map<string, string>();
  for (const volume of volumes) {
    const [, source = '', destination = ''] = /^(\/[^:]*):(\/[^:]*)$/.exec(volume) ?? [];
    const key = trimmed(destination);
    if (parsed.has(key)) throw invalidArgValue('volumes', 'each destination once', volume);
    parsed.set(key, source);
  }
  return parsed;
}
