import { type CriuFeatures, type CriuVersion, defaultCriu } from './criu.js';
import type { DumpResult } from './dump.js';
import type { DumpOptions, PreDumpOptions } from './option-types.js';

export { type CheckpointResult, checkpoint } from './container/checkpoint.js';
export { Criu, type CriuFeatures, type CriuVersion } from './criu.js';
export type { DumpResult, DumpTimings } from './dump.js';
export { CriuError, type ErrorCode, errorCodes } from './errors.js';
export type { HookEvent, HookName, Hooks } from './hooks.js';
export type { DumpStats } from './images/stats.js';
export type { CriuSettings } from './locate.js';
export type { CheckpointOptions, DumpOptions, PreDumpOptions } from './option-types.js';
export { explain } from './preflight/explain.js';
export {
  type Finding,
  type FindingCode,
  findingCodes,
  type Severity,
} from './preflight/finding.js';

/** {@link Criu.dump} of the default CRIU. */
export function dump(pid: number, options?: DumpOptions): Promise<DumpResult> {
  return defaultCriu().dump(pid, options);
}

/** {@link Criu.preDump} of the default CRIU. */
export function preDump(pid: number, options?: PreDumpOptions): Promise<DumpResult> {
  return defaultCriu().preDump(pid, options);
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
