import { parseArgs } from 'node:util';
import { nearest } from '../options/suggest.js';

/** A flag of the command. */
export interface Flag {
  /** Without dashes. */
  name: string;
  /** A single letter. */
  short?: string;
  /**
   * Whether it takes a value; one without is on or off. Shells complete the value by it: `DIR`, `FILE`,
   * `PATH` and `PID` are what they say, and `refuse|replace` are all values that there are.
   */
  placeholder?: string;
  /** Given more than once, its values add up; otherwise the last one counts. */
  repeated?: boolean;
  /** Whether the command does nothing without it. */
  isRequired?: boolean;
  help: string;
}

/** What was given, in the end. */
interface ParsedFlags {
  /** Booleans of flags without a value, strings of the others. */
  values: Map<string, boolean | string[]>;
  /** The other arguments. */
  rest: string[];
}

interface ParseSettings {
  /** The first argument and all behind it are the rest, as where a command stands. */
  stopAtArgument?: boolean;
  /** Flags that would have been right before the command. */
  outer?: readonly Flag[];
}

/** A command line that cannot be understood. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** Go's words for a boolean. */
const booleans = new Map<string, boolean>([
  ...['1', 't', 'T', 'true', 'TRUE', 'True'].map((word) => [word, true] as const),
  ...['0', 'f', 'F', 'false', 'FALSE', 'False'].map((word) => [word, false] as const),
]);

/**
 * Reads flags as runc does: `--flag value`, `--flag=value`, one dash or two, `--flag=false`, and
 * `--` for the end of flags. They may stand behind arguments too, unless `stopAtArgument`.
 *
 * @throws UsageError
 */
export function parseFlags(
  args: readonly string[],
  flags: readonly Flag[],
  { stopAtArgument = false, outer = [] }: ParseSettings = {},
): ParsedFlags {
  const byName = new Map(flags.map((flag) => [flag.name, flag]));
  const words = withTwoDashes(args, byName);
  const options = Object.fromEntries(
    flags.map(({ name, short, placeholder }) => [
      name,
      { type: placeholder === undefined ? 'boolean' : 'string', ...(short && { short }) } as const,
    ]),
  );
  const { tokens } = parseArgs({ args: words, options, strict: false, tokens: true });
  const parsed: ParsedFlags = { values: new Map(), rest: [] };
  for (const token of tokens) {
    if (token.kind === 'option-terminator') continue;
    if (token.kind === 'positional') {
      if (stopAtArgument) return { ...parsed, rest: words.slice(token.index) };
      parsed.rest.push(token.value);
      continue;
    }
    const flag = byName.get(token.name);
    // Each letter of a word like -abc is a token; the word as it was given says more.
    if (!flag) throw unknownFlag(args[token.index] ?? token.rawName, flags, outer);
    take(parsed, flag, token, byName);
  }
  return parsed;
}

interface OptionToken {
  value: string | undefined;
  inlineValue: boolean | undefined;
}

function take(
  { values }: ParsedFlags,
  { name, placeholder, repeated }: Flag,
  { value, inlineValue }: OptionToken,
  flags: ReadonlyMap<string, Flag>,
): void {
  if (placeholder === undefined) {
    const on = value === undefined ? true : booleans.get(value);
    if (on === undefined) {
      throw new UsageError(`Expected true or false for --${name} but received ${quoted(value)}`);
    }
    values.set(name, on);
    return;
  }
  if (value === undefined)
    throw new UsageError(`Expected a value (${placeholder}) after --${name}`);
  // A flag that is taken for the value would have no effect, and it may be --leave-running.
  const looksLikeFlag = /^--?([^=-][^=]*)/.exec(value)?.[1];
  if (!inlineValue && (value.startsWith('--') || flags.has(looksLikeFlag ?? ''))) {
    throw new UsageError(
      `Expected a value (${placeholder}) after --${name} but received the flag ${value}; ` +
        `if it is the value, write --${name}=${value}`,
    );
  }
  const before = values.get(name);
  values.set(name, repeated && Array.isArray(before) ? [...before, value] : [value]);
}

/** Go knows long flags with one dash; parseArgs would take them for single letters. */
function withTwoDashes(args: readonly string[], flags: ReadonlyMap<string, Flag>): string[] {
  const end = args.indexOf('--');
  return args.map((arg, index) => {
    const name = /^-([^-=][^=]*)/.exec(arg)?.[1];
    const isFlag = name !== undefined && flags.has(name) && (end < 0 || index < end);
    return isFlag ? `-${arg}` : arg;
  });
}

function unknownFlag(word: string, flags: readonly Flag[], outer: readonly Flag[]): UsageError {
  const given = word.replace(/=.*$/s, '');
  if (outer.some(({ name }) => `--${name}` === given || `-${name}` === given)) {
    return new UsageError(`The flag ${given} stands before the command, not behind it`);
  }
  const names = flags.map(({ name }) => name);
  const meant = nearest(given.replace(/^-+/, ''), names);
  const hint = meant === undefined ? '' : `: did you mean --${meant}?`;
  return new UsageError(`There is no flag ${quoted(given)}${hint}`);
}

/** As inspected values are shown elsewhere. */
export function quoted(value: string | undefined): string {
  return `'${(value ?? '').replace(/[\\']/g, '\\$&').replaceAll('\n', '\\n').replaceAll('\0', '\\x00')}'`;
}
