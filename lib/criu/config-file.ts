import { constants } from 'node:fs';
import { isAbsolute, resolve } from 'node:path';
import { CriuError, errnoOf } from '../base/errors.js';
import { closeFd, openFd, readFile } from '../base/files.js';
import { type Sentence, sentence } from '../base/sentence.js';
import { isShortage } from '../base/shortage.js';
import { isWrittenName } from '../images/names.js';
import { kindOf } from '../linux/file-kind.js';
import { type FileState, isUnchanged, isUnchangedNow, stateOf } from '../linux/file-state.js';
import { inspectOwnership } from '../linux/ownership.js';
import { shownPath } from '../linux/paths.js';
import { reasonForDistrust, refuseDistrusted, requireTrusted } from '../linux/trusted.js';
import { type ConfigWord, configWords } from './config-words.js';

/**
 * When CRIU reads a file: `before` the request, which overrides it (CRIU's own files), or `after` it,
 * so that the file overrides the request (the file that the request names).
 */
export type ConfigTurn = 'before' | 'after';

/** A line of a configuration file as CRIU understands it. */
export interface ConfigSetting {
  /** From 1. */
  line: number;
  /** As it stands there: CRIU takes abbreviations, too. */
  word: string;
  /** Undefined for a word that CRIU does not know. */
  known: ConfigWord | undefined;
  /** The word has `no-` in front of it. */
  isNegated: boolean;
  value: string | undefined;
  /** Why CRIU cannot read the line, as the end of a sentence. */
  fault: string | undefined;
}

/** A configuration file that leaves the request what it is. */
export interface CheckedConfig {
  /** One character for each byte; undefined when there is no file. */
  text: string | undefined;
  /** There is none, and another user can make one: CRIU must not be told of it. */
  canBePlanted: boolean;
  /**
   * Value of `log-file` in a file that CRIU reads after the request: a name in the directory of the
   * log, or an absolute path.
   */
  logFile: string | undefined;
  /** The file says how the network is locked. */
  locksNetwork: boolean;
}

/**
 * Reads a configuration file and makes sure that it leaves the request what it is.
 *
 * @throws CriuError `ERR_CRIU_CONFIG` for a word that makes another request of it, that CRIU does not
 * know or cannot read; `ERR_UNTRUSTED_PATH` for a file, or code named in it, of another user.
 */
export async function checkConfigFile(path: string, turn: ConfigTurn): Promise<CheckedConfig> {
  const key = keyOf(path, turn);
  const former = formerChecks.get(key);
  if (former !== undefined && (await isUnchanged(former))) return former.checked;
  formerChecks.delete(key);
  const before = await stateOf(resolve(path));
  const { checked, namesOthers } = await readAndCheck(path, turn);
  if (before !== undefined && !namesOthers) formerChecks.set(key, { ...before, checked });
  return checked;
}

/**
 * The same for a file that is known to be as it was, without waiting for anything.
 *
 * @returns undefined for any other one.
 */
export function knownConfig(path: string, turn: ConfigTurn): CheckedConfig | undefined {
  const former = formerChecks.get(keyOf(path, turn));
  return former !== undefined && isUnchangedNow(former) ? former.checked : undefined;
}

function keyOf(path: string, turn: ConfigTurn): string {
  return `${turn} ${isAbsolute(path) ? path : resolve(path)}`;
}

/** What was found, for as long as nothing changes: each dump asks for the same files. */
const formerChecks = new Map<string, FileState & { checked: CheckedConfig }>();

/** The file as it is now, and whether it names others that have to be looked at each time. */
async function readAndCheck(
  path: string,
  turn: ConfigTurn,
): Promise<{ checked: CheckedConfig; namesOthers: boolean }> {
  const found = await readText(path);
  const checked: CheckedConfig = { ...found, logFile: undefined, locksNetwork: false };
  let namesOthers = false;
  for (const setting of parseConfig(checked.text ?? '')) {
    const refused = reasonAgainst(setting, turn);
    if (refused !== undefined) throw refusal(path, setting, refused);
    const { known, value = '' } = setting;
    if (known?.name === 'network-lock') checked.locksNetwork = true;
    if (known?.namesCode && isAbsolute(value)) {
      namesOthers = true;
      await requireTrusted(`the ${known.name}`, value);
    }
    if (known?.name !== 'log-file' || turn !== 'after') continue;
    checked.logFile = value;
    if (!isAbsolute(value)) continue;
    namesOthers = true;
    const fault = await reasonAgainstOuterLog(value);
    if (fault !== undefined) throw refusal(path, setting, fault);
  }
  return { checked, namesOthers };
}

/**
 * The settings in a configuration file; none when there is no file.
 *
 * @throws CriuError `ERR_UNTRUSTED_PATH` when another user can have written it, `ERR_CRIU_CONFIG`
 * when it cannot be read.
 */
export async function readConfigFile(path: string): Promise<readonly ConfigSetting[]> {
  const { text } = await readText(path);
  return text === undefined ? [] : parseConfig(text);
}

/** Takes a text apart as CRIU does, line by line: a word, and a value behind a space. */
export function parseConfig(text: string): readonly ConfigSetting[] {
  return text.split('\n').flatMap((line, index) => {
    // To CRIU, which is written in C, a line ends at a NUL.
    const statement = (line.split('\0', 1)[0] ?? '').replace(/^[ \t\v\f\r]+/, '');
    if (statement === '' || statement.startsWith('#')) return [];
    return [parseStatement(statement, index + 1)];
  });
}

function parseStatement(statement: string, line: number): ConfigSetting {
  const space = statement.includes(' ') ? ' ' : '\t';
  const end = statement.indexOf(space);
  const first = end < 0 ? statement : statement.slice(0, end);
  const [, word = '', attached] = /^([^=]*)(?:=(.*))?$/s.exec(first) ?? [];
  const { value: second, fault } = parseValue(end < 0 ? '' : statement.slice(end + 1));
  const { known, isNegated } = lookUp(word);
  const setting = { line, word, known, isNegated, value: attached ?? second };
  return { ...setting, fault: fault ?? faultOf(setting, attached, second) };
}

/** What stands behind a word: in quotes or not, with a comment behind it. */
function parseValue(text: string): { value: string | undefined; fault: string | undefined } {
  const trimmed = text.trim();
  if (trimmed === '' || trimmed.startsWith('#')) return { value: undefined, fault: undefined };
  const quoted = /^"((?:[^"]|(?<=\\)")*)(?<!\\)"(.*)$/s.exec(trimmed);
  if (trimmed.startsWith('"') && !quoted) return { value: undefined, fault: 'has an open quote' };
  const [, inside = trimmed, rest = ''] = quoted ?? [];
  // CRIU takes a "#" for a comment within quotes, too.
  const value = (inside.split('#', 1)[0] ?? '').replaceAll('\\"', '"');
  const plain = quoted ? value : value.trimEnd();
  const hasMore = quoted ? !/^\s*(#|$)/.test(rest) : /\s/.test(plain);
  return { value: plain, fault: hasMore ? 'has more than one value' : undefined };
}

/** Why getopt() takes what stands in the line for something else, or for nothing. */
function faultOf(
  { known, isNegated, value }: Pick<ConfigSetting, 'known' | 'isNegated' | 'value'>,
  attached: string | undefined,
  second: string | undefined,
): string | undefined {
  if (known === undefined) return 'is none that CRIU 4.2 knows';
  const takes = isNegated ? 'none' : known.takes;
  if (takes === 'value' && value === undefined) return 'has no value';
  if (takes === 'none' && attached !== undefined) return 'takes no value';
  const isTaken = takes === 'value' && attached === undefined;
  if (!isTaken && second?.startsWith('-')) return 'has a value that CRIU takes for another word';
  return undefined;
}

type Meaning = Pick<ConfigSetting, 'known' | 'isNegated'>;

const names: ReadonlyMap<string, Meaning> = new Map(
  configWords.flatMap((known): [string, Meaning][] => [
    [known.name, { known, isNegated: false }],
    ...(known.hasNegation
      ? [[`no-${known.name}`, { known, isNegated: true }] as [string, Meaning]]
      : []),
  ]),
);

/** getopt_long() takes the start of a word for the word, if no other one begins so. */
function lookUp(word: string): Meaning {
  const exact = names.get(word);
  if (exact) return exact;
  const [only, ...others] = [...names].filter(([name]) => name.startsWith(word));
  return only && others.length === 0 ? only[1] : { known: undefined, isNegated: false };
}

/** Why a request cannot be made with a setting; undefined when it can. */
function reasonAgainst(setting: ConfigSetting, turn: ConfigTurn): Sentence | undefined {
  const { fault, known, isNegated, value = '' } = setting;
  if (fault !== undefined) return fault;
  if (known === undefined || (turn === 'before' && (isNegated || known.isOverridden))) {
    return undefined;
  }
  if (known.name === 'log-file') return reasonAgainstLog(value);
  return isNegated ? (known.negationChanges ?? known.changes) : known.changes;
}

function reasonAgainstLog(value: string): string | undefined {
  if (isAbsolute(value)) return undefined;
  if (value === '' || value.includes('/')) return 'is neither a file name nor an absolute path';
  return isWrittenName(value) ? `names ${value}, which is an image` : undefined;
}

/**
 * Why CRIU cannot write its log outside of the directories: it would wait at a FIFO, and fail for a
 * directory when the tasks are frozen.
 *
 * @throws CriuError `ERR_UNTRUSTED_PATH` where another user could put something in its place.
 */
async function reasonAgainstOuterLog(path: string): Promise<string | undefined> {
  const report = await inspectOwnership(path, { mayBeMissing: true }).catch((error: unknown) => {
    const code = errnoOf(error);
    if (code === undefined || isShortage(code)) throw error;
    return code;
  });
  if (typeof report === 'string')
    return `names ${shownPath(path)}, which leads nowhere (${report})`;
  refuseDistrusted("CRIU's log", path, report);
  const { stats, missing } = report;
  report.close();
  if (missing.length > 1) return `names ${shownPath(path)}, whose directory is not there`;
  if (missing.length === 1 || stats.isFile()) return undefined;
  return `names ${shownPath(path)}, which is ${kindOf(stats)} and no regular file`;
}

function refusal(path: string, { word, line }: ConfigSetting, refused: Sentence): CriuError {
  return new CriuError(
    'ERR_CRIU_CONFIG',
    sentence`The word ${JSON.stringify(word)} in line ${line} of CRIU's configuration file
      ${shownPath(path)} ${refused}: remove it`,
  );
}

type Reading = Pick<CheckedConfig, 'text' | 'canBePlanted'>;

const nothing: Reading = { text: undefined, canBePlanted: false };

async function readText(path: string): Promise<Reading> {
  try {
    const report = await inspectOwnership(path, { mayBeMissing: true });
    try {
      if (report.missing.length > 0) {
        return { ...nothing, canBePlanted: reasonForDistrust(report) !== undefined };
      }
      refuseDistrusted("CRIU's configuration file", path, report);
      if (!report.stats.isFile()) throw unreadable(path, 'it is not a regular file');
      const flags = constants.O_RDONLY | constants.O_NONBLOCK;
      const fd = await openFd(`/proc/self/fd/${report.fd}`, flags);
      const text = await readFile(`/proc/self/fd/${fd}`, 'latin1').finally(() => closeFd(fd));
      return { text, canBePlanted: false };
    } finally {
      report.close();
    }
  } catch (error) {
    if (error instanceof CriuError) throw error;
    // CRIU does without a file that it cannot open.
    if (['ENOTDIR', 'EACCES', 'ELOOP'].includes(errnoOf(error) ?? '')) return nothing;
    throw unreadable(path, errnoOf(error) ?? String(error), error);
  }
}

function unreadable(path: string, why: string, cause?: unknown): CriuError {
  return new CriuError(
    'ERR_CRIU_CONFIG',
    `CRIU's configuration file ${shownPath(path)} cannot be read: ${why}`,
    { cause },
  );
}
