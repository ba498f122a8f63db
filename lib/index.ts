import { type CriuFeatures, type CriuVersion, defaultCriu } from './criu/criu.js';
import type { DumpOptions, PreDumpOptions, RestoreOptions } from './options/types.js';
import type { DumpResult } from './process/dump.js';
import type { DumpPromise } from './process/dump-promise.js';
import type { RestoreResult } from './process/restore.js';

export { CriuError, type ErrorCode, errorCodes } from './base/errors.js';
export { type CheckpointResult, checkpoint } from './container/checkpoint.js';
export { type RestoreContainerResult, restoreContainer } from './container/restore.js';
export { Criu, type CriuFeatures, type CriuVersion } from './criu/criu.js';
export type {
  HookEvent,
  HookName,
  Hooks,
  OrphanPtsMasterEvent,
  RestoreHookName,
  RestoreHooks,
} from './criu/hooks.js';
export type { CriuSettings } from './criu/locate.js';
export { explain } from './explain.js';
export type { DumpStats, RestoreStats } from './images/stats.js';
export {
  type IterateContainerOptions,
  type IterateOptions,
  type IterateSettings,
  type Iteration,
  type IterationResult,
  type IterationRound,
  type IterationStop,
  iterate,
} from './iterate.js';
export type { PageServer } from './options/address.js';
export type {
  CheckpointOptions,
  CheckpointSelfOptions,
  DumpOptions,
  LazyPagesOptions,
  PageServerOptions,
  PreDumpOptions,
  RestoreContainerOptions,
  RestoreOptions,
} from './options/types.js';
export {
  type Finding,
  type FindingCode,
  findingCodes,
  type Severity,
} from './preflight/finding.js';
export type { DumpResult, DumpTimings } from './process/dump.js';
export type { DumpPromise } from './process/dump-promise.js';
export type { ChildExit, RestoreResult, RestoreTimings } from './process/restore.js';
export { checkpointSelf, type SelfCheckpoint } from './self/checkpoint-self.js';
export {
  type AfterCheckpoint,
  type AfterRestoreHandler,
  afterRestore,
  type BeforeCheckpointHandler,
  beforeCheckpoint,
} from './self/handlers.js';
export {
  type LazyPagesHandle,
  type LazyPagesProgress,
  type LazyPagesResult,
  startLazyPages,
} from './serve/lazy-pages.js';
export {
  type PageServerHandle,
  type PageServerResult,
  startPageServer,
} from './serve/page-server.js';

/** {@link Criu.dump} of the default CRIU. */
export function dump(pid: number, options?: DumpOptions): DumpPromise<DumpResult> {
  return defaultCriu().dump(pid, options);
}

/** {@link Criu.preDump} of the default CRIU. */
export function preDump(pid: number, options?: PreDumpOptions): Promise<DumpResult> {
  return defaultCriu().preDump(pid, options);
}

/** {@link Criu.restore} of the default CRIU. */
export function restore(imagePath: string, options?: RestoreOptions): Promise<RestoreResult> {
  return defaultCriu().restore(imagePath, options);
}

/** {@link Criu.check} of the default CRIU. */
export function check(): Promise<void> {
  return defaultCriu().check();
}

/** {@link Criu.version} of the default CRIU. */
export function version(): Promise<CriuVersion> {
  return defaultCriu().version();
}

/** {@link Criu.features} of the default CRIU. */
export function features(): Promise<CriuFeatures> {
  return defaultCriu().features();
}
