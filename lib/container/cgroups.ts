import { type Finding, makeFinding } from '../base/finding.js';
import { option, sentence } from '../base/sentence.js';
import { Cgroup, CgroupError, requireFreezable, requireTask } from '../linux/cgroup-directory.js';
import type { Host } from '../linux/host.js';
import { type ContainerState, namespaceOf } from './state/container.js';
import { corruptCgroup, freezerPathOf } from './state/status.js';

/** Which of a container's cgroups a checkpoint acts on as a whole. */
interface CgroupUses {
  /** It freezes the container, and does not only look at it. */
  freezes: boolean;
  /** It ends the container, which may have tasks that do not end with its init process. */
  ends: boolean;
}

/**
 * The cgroups by which a container is frozen, and by which what is left of it is killed. They are
 * opened while the container's init process is there to tell that they are the container's: what is
 * killed later is then in the same cgroup, whatever the path leads to by then.
 */
export class ContainerCgroups {
  readonly #container: ContainerState;
  readonly #freezes: boolean;
  readonly #freezerPath: string | undefined;
  #freezer: Cgroup | undefined;
  /** Those that can have tasks which do not end with the init process, the best first. */
  #killable: readonly Cgroup[] = [];

  private constructor(container: ContainerState, freezes: boolean, freezerPath?: string) {
    this.#container = container;
    this.#freezes = freezes;
    this.#freezerPath = freezerPath;
  }

  /** @throws CriuError `ERR_CONTAINER_CORRUPT` when one is not a cgroup. */
  static async open(
    container: ContainerState,
    { freezes, ends }: CgroupUses,
    host: Host,
  ): Promise<ContainerCgroups> {
    const { cgroupPaths } = container;
    const freezerPath = await freezerPathOf(container, host);
    const cgroups = new ContainerCgroups(container, freezes, freezerPath);
    try {
      cgroups.#freezer = openCgroup(container, freezerPath, host);
      if (ends && !hasOwnPidNamespace(container)) {
        // A cgroup of v2 can be killed whole.
        for (const path of [cgroupPaths.get(''), cgroupPaths.get('devices')]) {
          const cgroup = openCgroup(container, path, host);
          if (cgroup !== undefined) cgroups.#killable = [...cgroups.#killable, cgroup];
        }
      }
      return cgroups;
    } catch (error) {
      cgroups.close();
      throw error;
    }
  }

  /** What stops the container as a whole; undefined where there is no such cgroup. */
  get freezer(): Cgroup | undefined {
    return this.#freezer;
  }

  /** What has the tasks that are left when the init process is gone; undefined when there are none. */
  get killed(): Cgroup | undefined {
    return this.#killable[0];
  }

  /**
   * Checks that the cgroups have the container's init process in them, and not this process. One that
   * need not be there is not used when it does not pass.
   *
   * @throws CriuError `ERR_CONTAINER_CORRUPT`
   */
  check(): void {
    const { initPid } = this.#container;
    this.#checkFreezer(initPid);
    const checked = this.#killable.map((cgroup) => ({
      cgroup,
      wrong: failure(() => requireTask(cgroup, initPid)),
    }));
    const [first] = checked;
    if (first?.wrong !== undefined && checked.every(({ wrong }) => wrong !== undefined)) {
      throw corruptCgroup(this.#container, first.cgroup.path, first.wrong);
    }
    for (const { cgroup, wrong } of checked) if (wrong !== undefined) cgroup.close();
    this.#killable = checked.flatMap(({ cgroup, wrong }) => (wrong === undefined ? cgroup : []));
  }

  #checkFreezer(initPid: number): void {
    const wrong = this.#wrongFreezer(initPid);
    if (wrong === undefined) return;
    if (this.#freezes) throw corruptCgroup(this.#container, wrong.path, wrong, freezerCure);
    this.#freezer?.close();
    this.#freezer = undefined;
  }

  #wrongFreezer(initPid: number): CgroupError | undefined {
    const freezer = this.#freezer;
    const path = freezer?.path ?? this.#freezerPath;
    if (path === undefined) return undefined;
    return failure(() => {
      if (freezer === undefined) throw new CgroupError(path, 'it does not exist');
      requireFreezable(freezer, initPid);
    });
  }

  /** What {@link check} would refuse, as `explain` tells it. */
  findings(): readonly Finding[] {
    const { initPid: pid } = this.#container;
    const wrong = this.#freezes ? this.#wrongFreezer(pid) : undefined;
    if (wrong === undefined) return [];
    const message = sentence`The state of the container names the cgroup ${wrong.path}, which
      cannot be used: ${wrong.why}${freezerCure}`;
    const cure = { option: 'freezer', value: 'ptrace' };
    return [
      makeFinding({
        code: 'cgroup-mismatch',
        severity: 'needs-option',
        pid,
        subject: wrong.path,
        ...cure,
        message,
      }),
    ];
  }

  /** Can be called again. */
  close(): void {
    this.#freezer?.close();
    for (const cgroup of this.#killable) cgroup.close();
  }
}

/** A runtime that was not told so at the restore makes no scope of systemd, and its state names one. */
const freezerCure = sentence`; ${option('freezer', 'ptrace')} freezes no cgroup, and a restore with
  --systemd-cgroup gives a container of systemd its own again`;

/** What is wrong with a cgroup; undefined when the check passes. */
function failure(check: () => void): CgroupError | undefined {
  try {
    check();
    return undefined;
  } catch (error) {
    if (error instanceof CgroupError) return error;
    throw error;
  }
}

/** A cgroup that is gone has nothing in it to act on. */
function openCgroup(
  container: ContainerState,
  path: string | undefined,
  host: Host,
): Cgroup | undefined {
  if (path === undefined) return undefined;
  let cgroup: Cgroup | undefined;
  const wrong = failure(() => {
    cgroup = Cgroup.openIfThere(path, host);
  });
  if (wrong !== undefined) throw corruptCgroup(container, path, wrong);
  return cgroup;
}

function hasOwnPidNamespace(container: ContainerState): boolean {
  return namespaceOf(container, 'pid')?.path === '';
}
