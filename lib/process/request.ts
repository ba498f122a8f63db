import type { Deadline } from '../base/deadline.js';
import type { Operation } from '../base/errors.js';
import type { Criu } from '../criu/criu.js';
import type { HookEvent } from '../criu/hooks.js';
import type { LogFollower } from '../criu/log-follower.js';
import type { SavedContainer } from '../images/saved-container.js';
import type { Cgroup } from '../linux/cgroup-directory.js';
import type { CriuFields } from '../native/contract.js';
import type { ValidatedOptions } from '../options/validated.js';
import type { RunningService } from '../units/find.js';

/** What the core gets for any operation on processes, whatever it does. */
export interface OperationRequest {
  /** The public call, for errors. */
  operation: Operation;
  criu: Criu;
  /** Bounds all of it. */
  deadline: Deadline;
  /** Is told where CRIU's log is, if somebody wants to follow it. */
  log?: LogFollower;
  /** Validated by `validateOptions`. */
  options: { logFile: string; wait?: boolean | undefined };
  /** CRIU is not told of the request's configuration file: there is none, and others can make one. */
  leavesConfigFileOut?: boolean;
  /** The request's configuration file says how the network is locked. */
  configLocksNetwork?: boolean;
  /**
   * The log outside of the operation's directories to which a configuration file leads CRIU: its
   * absolute path, and the time from which on its content is this operation's.
   */
  outerLog?: { path: string; since: number };
}

/** One dump or pre-dump as the core runs it: validated options and what a runtime adds to them. */
export interface DumpRequest extends OperationRequest {
  operation: 'checkpoint' | 'dump' | 'preDump';
  pid: number;
  preDump: boolean;
  options: Omit<ValidatedOptions['dump'], 'criu'>;
  /** Fields that the options do not speak of; they never override an option that was given. */
  fields?: CriuFields;
  /** A container's cgroup: it is frozen first and handed to CRIU frozen. */
  freezer?: Cgroup;
  /** Made empty when CRIU notifies `post-dump`, images complete and tasks still frozen. */
  postDumpFile?: string;
  /**
   * Called when the images are complete and the tasks still stand still, after the hook `postDump` of
   * the caller. When it rejects, CRIU rolls back.
   *
   * @param images - A path of the images directory that is good until then.
   */
  whileStill?: (images: string, event: HookEvent) => Promise<void>;
  /** Written 0600 into the images directory before the dump: [name, content]. */
  imageFiles?: readonly (readonly [string, string])[];
  /** Says beside the images which CRIU makes them: [name, content]. It is filled in by the core. */
  versionFile?: readonly [string, string];
  /** CRIU can be told to lock no network. It is filled in by the core. */
  canSkipLock?: boolean;
  /** The container that is saved; undefined for a process. */
  target?: SavedContainer;
  /** Its main process is saved. */
  service?: RunningService;
  /** Called when lazy pages can be fetched. */
  statusReady?: () => void;
  /**
   * Checks of the caller that must hold before anything is touched, run before the directory is
   * made.
   */
  precondition?: () => Promise<void>;
}
