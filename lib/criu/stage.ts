import type { Stage } from '../base/stage.js';
import type { NativeOutcome } from '../native/contract.js';
import { commonStages } from '../native/failure.js';
import { dumpHooks, type HookName, type RestoreHookName, restoreHooks } from './hooks.js';

const scripts: Readonly<Record<HookName | RestoreHookName, string>> = {
  ...dumpHooks.scripts,
  ...restoreHooks.scripts,
};
const hookOfScript: ReadonlyMap<string, Stage> = new Map(
  Object.entries(scripts).map(([hook, script]) => [script, hook as HookName | RestoreHookName]),
);
/** The outcome of a request, with its stage in the API's words. */
export type StagedOutcome = Omit<NativeOutcome, 'stage'> & { stage: Stage };

/** What the addon leaves out. */
const nothing: Omit<NativeOutcome, 'stage'> = {
  success: false,
  isComplete: false,
  isInPlace: false,
  imagesBytes: 0,
  imagesFiles: 0,
  cancelled: false,
  killed: false,
  left: false,
  froze: false,
  stats: Buffer.alloc(0),
  replied: false,
  restored: false,
  pid: 0,
  errno: 0,
  message: '',
  exitCode: 0,
  exitSignal: 0,
  printed: '',
  warning: '',
  events: [],
  timeline: {},
};

/**
 * What the addon tells of a request, all of it. Its stage is named in the words of the API: CRIU's
 * notifications are called as their hooks are.
 */
export function toOutcome(told: Partial<NativeOutcome>): StagedOutcome {
  return { ...nothing, ...told, stage: stageOf(told.stage ?? '') };
}

/** The stage that the addon means. What it has no name for happens in the request. */
export function stageOf(name: string): Stage {
  // The images are looked at when they should be complete.
  if (name === 'images') return 'postDump';
  return hookOfScript.get(name) ?? commonStages.find((stage) => stage === name) ?? 'request';
}
