export { checkpoint } from './archive/checkpoint.js';
export type { Compression } from './archive/compression.js';
export { exportCheckpoint } from './archive/export.js';
export type { ExportOptions, ExportResult } from './archive/export-options.js';
export type { Checkpoint } from './archive/held.js';
export type { CheckpointFormat, CheckpointInfo } from './archive/info.js';
export { openCheckpoint } from './archive/open.js';
export type { OpenCheckpointOptions, ReadingOptions } from './archive/options.js';
export { restoreContainer } from './archive/restore-container.js';
export {
  type AbortError,
  type ContradictionError,
  CriuError,
  type CriuErrorDetails,
  type ErrorCode,
  errorCodes,
  type InvalidArgTypeError,
  type InvalidArgValueError,
  type Operation,
  type OperationTrace,
} from './base/errors.js';
export { type Finding, type FindingCode, findingCodes, type Severity } from './base/finding.js';
export type { MentionedValue } from './base/sentence.js';
export type { Stage } from './base/stage.js';
export type { Channel, ChannelEvents } from './channel/channel.js';
export type { CheckpointResult } from './container/checkpoint.js';
export { listContainers } from './container/list.js';
export type { ContainerList, ListedContainer } from './container/listed.js';
export type { RestoreContainerResult } from './container/restore.js';
export type { ContainerStatus } from './container/state/container.js';
export { Criu } from './criu/criu.js';
export type {
  HookEvent,
  HookName,
  Hooks,
  OrphanPtsMasterEvent,
  RestoreHookName,
  RestoreHooks,
} from './criu/hooks.js';
export type { CriuSettings } from './criu/locate.js';
export type { LoggedPromise } from './criu/log-promise.js';
export type { LogRecord } from './criu/log-records.js';
export type { CriuFeatures, CriuVersion } from './criu/program.js';
export type { OperationResult } from './criu/result.js';
export type { DumpStages, RestoreStages } from './criu/stages.js';
export { type DiagnoseOptions, diagnose } from './diagnose.js';
export {
  type Check,
  type CheckCode,
  type CheckStatus,
  checkCodes,
  type Diagnosis,
} from './doctor/check.js';
export { explain } from './explain.js';
export type { DumpStats, RestoreStats } from './images/stats.js';
export {
  type DecodedImage,
  decodeImage,
  encodeImage,
  type ImageEntry,
  type ImageHeader,
  type ImageValue,
} from './inspect/decode.js';
export { diffCheckpoints } from './inspect/diff.js';
export type * from './inspect/diff-report.js';
export { inspect } from './inspect/inspect.js';
export {
  type DumpMemoryOptions,
  dumpMemory,
  type MemoryFile,
  type MemoryMatch,
  type SearchMemoryOptions,
  searchMemory,
} from './inspect/read-memory.js';
export type * from './inspect/report.js';
export {
  type IterateContainerOptions,
  type IterateOptions,
  type IterateSettings,
  iterate,
} from './iterate.js';
export type {
  Iteration,
  IterationResult,
  IterationRound,
  IterationStop,
} from './iteration/result.js';
export type { PageServer } from './options/address.js';
export type { CgroupRoot } from './options/cgroup-root.js';
export type { DumpProgress } from './options/dump-progress.js';
export { type EngineName, engineNames } from './options/engine-names.js';
export type { InheritedFd } from './options/inherited-fd.js';
export type { JoinedNamespace } from './options/joined-namespace.js';
export type { LimitedCgroup } from './options/limited-cgroup.js';
export type { CloneStdio, CloneStream } from './options/stdio.js';
export type * from './options/types.js';
export type { UnitTarget } from './options/unit-target.js';
export { createPool } from './pool/create-pool.js';
export type { PoolOptions } from './pool/options.js';
export type {
  AcquiredClone,
  AcquireOptions,
  Pool,
  PoolMetrics,
  RunOptions,
  Times,
} from './pool/pool.js';
export { dump, preDump } from './process/dump.js';
export type { DumpPromise } from './process/dump-promise.js';
export type { DumpResult, DumpTimings } from './process/dump-result.js';
export { restore } from './process/restore.js';
export type {
  ChildExit,
  CloneResult,
  RestoreResult,
  RestoreTimings,
} from './process/restore-result.js';
export { type CriuChoice, check, close, features, version } from './queries.js';
export type { AfterCheckpoint } from './self/after-checkpoint.js';
export { checkpointSelf } from './self/checkpoint-self.js';
export {
  type AfterRestoreHandler,
  afterRestore,
  type BeforeCheckpointHandler,
  beforeCheckpoint,
} from './self/handlers.js';
export type { SelfCheckpoint } from './self/result.js';
export { onTask, type TaskHandler } from './self/tasks.js';
export { startLazyPages } from './serve/lazy-pages.js';
export type { LazyPagesHandle, LazyPagesResult } from './serve/lazy-pages-handle.js';
export type { LazyPagesProgress } from './serve/lazy-pages-log.js';
export { startPageServer } from './serve/page-server.js';
export type { PageServerHandle, PageServerResult } from './serve/page-server-handle.js';
