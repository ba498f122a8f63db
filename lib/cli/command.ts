import type { CheckpointResult } from '../container/checkpoint.js';
import type { CheckpointOptions } from '../options/types.js';
import type { Flag } from './flags.js';
import type { Log, Sink } from './messages.js';

/** What of the outside the command uses, so that a test can be the outside. */
export interface Outside {
  stdout: Sink;
  stderr: Sink;
  version: string;
  checkpoint: (id: string, options: CheckpointOptions) => Promise<CheckpointResult>;
  /** Calls the listener when the user wants the command to end; gives what stops listening. */
  onInterrupt: (listener: (signal: string) => void) => () => void;
}

/** What the global flags have led to. */
export interface Settings {
  outside: Outside;
  log: Log;
  /** Absolute, if it was given. */
  root: string | undefined;
  globalFlags: readonly Flag[];
}

/** A subcommand. */
export interface Command {
  name: string;
  summary: string;
  help: () => string;
  /** Rejects with what is to be told. */
  run: (args: readonly string[], settings: Settings) => Promise<void>;
}

/** The one that every command has. */
export const helpFlag: Flag = { name: 'help', short: 'h', help: 'show this help' };
