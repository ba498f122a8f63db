// Made by `npm run generate` from lib/options/table.ts.
import type {
  CheckpointOptions,
  CheckpointSelfOptions,
  DumpOptions,
  LazyPagesOptions,
  PageServerOptions,
  PreDumpOptions,
  RestoreContainerOptions,
  RestoreOptions,
} from './types.js';

/** Options of which some are there in any case. */
type Filled<Options, Names extends keyof Options> = Options & {
  [Name in Names]-?: NonNullable<Options[Name]>;
};

/** The options of each call once they are validated, with what is filled in. */
export interface ValidatedOptions {
  checkpoint: Filled<
    CheckpointOptions,
    'imagePath' | 'manageCgroupsMode' | 'logLevel' | 'logFile' | 'existing'
  >;
  dump: Filled<DumpOptions, 'imagePath' | 'logLevel' | 'logFile' | 'existing'>;
  preDump: Filled<PreDumpOptions, 'imagePath' | 'logLevel' | 'logFile' | 'existing'>;
  checkpointSelf: Filled<CheckpointSelfOptions, 'logLevel' | 'logFile'>;
  restore: Filled<RestoreOptions, 'logLevel' | 'logFile'>;
  restoreContainer: Filled<
    RestoreContainerOptions,
    'imagePath' | 'maxEntries' | 'maxBytes' | 'maxRatio'
  >;
  startPageServer: Filled<
    PageServerOptions,
    'imagePath' | 'port' | 'logLevel' | 'logFile' | 'existing'
  >;
  startLazyPages: Filled<LazyPagesOptions, 'imagePath' | 'logLevel' | 'logFile'>;
}
