// What a row of the options table says. scripts/generate/table.mjs compiles it with the table, so it
// imports nothing.

/** A call that takes options. */
export type Call =
  | 'checkpoint'
  | 'dump'
  | 'preDump'
  | 'checkpointSelf'
  | 'restore'
  | 'restoreContainer'
  | 'startPageServer'
  | 'startLazyPages';

/** What an option's value is. */
export type OptionType =
  | 'boolean'
  | 'integer'
  | 'path'
  /** A path that stays relative. */
  | 'relativePath'
  /** A name without a directory. */
  | 'fileName'
  | 'string'
  | 'enum'
  | 'enum[]'
  | 'string[]'
  | 'path[]'
  /** `address:port`, or an object of both. */
  | 'address'
  /** An IP address, or also the name of a host. */
  | 'ip'
  | 'host'
  /** Objects of `controller` and `path`. */
  | 'cgroupRoot[]'
  /** Objects of `type` and `path`. */
  | 'joinedNamespace[]'
  /** Objects of `resource` and `fd`. */
  | 'inheritedFd[]'
  /** What can be cloned. */
  | 'data'
  /** An object of variables. */
  | 'environment'
  /** Strings, which may be empty. */
  | 'argument[]'
  /** The path of a cgroup, or an object of it and of limits. */
  | 'limitedCgroup'
  /** Standard streams, as of `node:child_process`. */
  | 'stdio'
  /** The path of a file, or a stream. */
  | 'file'
  | 'signal'
  | 'hooks'
  | 'restoreHooks'
  | 'progressHandler'
  | 'criu';

/** What the value of a field of CRIU's request is. */
export type FieldType = 'boolean' | 'integer' | 'string' | 'pairs';

/** A field of CRIU's request that the core fills in itself: no option is that field. */
export interface CoreField {
  field: string;
  type: FieldType;
  /** What it says to CRIU, in one sentence. */
  meaning: string;
}

/** One option. A name can have two rows when it means different things to different calls. */
export interface OptionRow {
  name: string;
  type: OptionType;
  calls: readonly Call[];
  /** The field of CRIU's request that the option is; none when the core or a runtime acts on it. */
  field?: string;
  /** The flag of the commands that take the option, without dashes. */
  flag?: string;
  /** What stands for the value in help. */
  placeholder?: string;
  /** The words of an enum. */
  values?: readonly string[];
  /** CRIU's numbers (of a list: bits) for `values`, in their order; undefined for one of ours. */
  numbers?: readonly (number | undefined)[];
  min?: number;
  max?: number;
  unit?: string;
  /** How many units of the option are one unit of the field; the quotient is rounded up. */
  perFieldUnit?: number;
  /**
   * The oldest CRIU that knows the field, `major.minor`, where 3.16 does not. An older one would do
   * without it and say nothing.
   */
  since?: string;
  /** The same of words of an enum. */
  valuesSince?: Readonly<Record<string, string>>;
  /** What a string, or each string of a list, must match, and how an error says so. */
  pattern?: { test: RegExp; expected: string };
  /** Set for an option without which the call cannot be made. */
  required?: true;
  /** The value that is filled in when the option is not given. */
  default?: string | number;
  /** The calls that fill the default in; all that take the option when absent. */
  defaultFor?: readonly Call[];
  /** What holds without the option, where nothing is filled in and it is not simply off. */
  otherwise?: string;
  /** One short line, for help and docs/options.md. */
  help: string;
  /** Further sentences, for the types. */
  details?: string;
  /** Where name and meaning come from: runc's flag, CRIU's flag or field. */
  source: string;
}

/** One setting of `iterate` that no call takes as an option. */
export type IterationRow = Pick<OptionRow, 'name' | 'type' | 'flag' | 'placeholder' | 'help'> & {
  min: number;
  max: number;
  default: number;
};
