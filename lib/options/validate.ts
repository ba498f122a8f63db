import { isAbsolute, resolve } from 'node:path';
import { Writable } from 'node:stream';
import { inspect } from 'node:util';
import {
  ContradictionError,
  invalidArgType,
  invalidArgValue,
  unknownOption,
} from '../base/errors.js';
import { option, type Sentence, sentence } from '../base/sentence.js';
import { Criu } from '../criu/criu.js';
import { dumpHooks, type HookSet, restoreHooks } from '../criu/hooks.js';
import { isWrittenName } from '../images/names.js';
import { checkAddress, type PageServer, parsePageServer } from './address.js';
import { defaultsOf, optionOf, optionsOf } from './calls.js';
import { checkCgroupRoot } from './cgroup-root.js';
import { refuseForClone } from './clone.js';
import { exclusive, incomplete } from './contradiction.js';
import { checkInheritedFd } from './inherited-fd.js';
import { isIP } from './ip.js';
import { checkJoinedNamespace } from './joined-namespace.js';
import { checkLimitedCgroup } from './limited-cgroup.js';
import { checkArgument, checkData, checkEnvironment } from './new-life.js';
import type { Call, OptionRow, OptionType } from './schema.js';
import { checkStatusFd } from './status-fd.js';
import { checkStdio } from './stdio.js';
import { nearest } from './suggest.js';
import { optionTable, profiles } from './table.js';
import { checkText } from './text.js';
import type { ValidatedOptions } from './validated.js';

/**
 * Checks all that can be told from the options alone, and gives a copy of them with the defaults
 * filled in, paths absolute and the page server's address and port apart. Each property is read
 * once, so that what was checked is what is used.
 *
 * @throws TypeError `ERR_INVALID_ARG_TYPE` for the wrong JavaScript type.
 * @throws RangeError `ERR_INVALID_ARG_VALUE` for an unknown name, a value that cannot be used, and
 * options that contradict each other.
 */
export function validateOptions<C extends Call>(
  call: C,
  options: unknown = {},
): ValidatedOptions[C] {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw invalidArgType('options', 'an object', options);
  }
  for (const name in options) refuseUnknown(call, name);
  const rows = optionsOf(call);
  const given: Record<string, unknown> = {};
  // To look for each option in a plain object would take longer than anything else here.
  for (const name of namesIn(options) ?? rows.map((row) => row.name)) {
    const value = (options as Readonly<Record<string, unknown>>)[name];
    if (value !== undefined && optionOf(call, name) !== undefined) given[name] = value;
  }
  const profile = profileOf(given['profile']);
  const values = { ...defaultsOf(call), ...profile, ...given };
  const valid: Record<string, unknown> = {};
  for (const row of rows) {
    if (!row.required && !Object.hasOwn(values, row.name)) continue;
    valid[row.name] = validators[row.type](row.name, values[row.name], row);
  }
  refuseContradictions(call, valid);
  // Only what was given tells of this: `imagePath` has a default.
  if (given['inEngine'] !== undefined) refuseBesidePlace(given);
  if (call === 'restoreContainer') refuseBesideFrom(given);
  if (given['unit'] !== undefined) refuseBesideUnit(rows, given);
  if (call === 'restore') refuseForClone(given);
  if (typeof valid['statusFd'] === 'number') checkStatusFd(valid['statusFd']);
  return valid as unknown as ValidatedOptions[C];
}

/** The names in a plain object, as options usually are; undefined for one that may inherit some. */
function namesIn(options: object): readonly string[] | undefined {
  const prototype: unknown = Object.getPrototypeOf(options);
  const isPlain = prototype === null || prototype === Object.prototype;
  return isPlain ? Object.getOwnPropertyNames(options) : undefined;
}

/**
 * Checks the argument `imagePath`.
 *
 * @returns it absolute
 * @throws TypeError, RangeError
 */
export function checkImagePath(imagePath: unknown): string {
  return resolve(checkText('imagePath', 'a path', imagePath));
}

/** The settings of a profile: none for one that does not exist, which its own check refuses. */
function profileOf(name: unknown): Readonly<Record<string, string | number>> {
  return typeof name === 'string' && Object.hasOwn(profiles, name) ? (profiles[name] ?? {}) : {};
}

function refuseUnknown(call: Call, name: string): void {
  if (optionOf(call, name) !== undefined) return;
  const names = optionsOf(call).map((row) => row.name);
  const elsewhere = optionTable.find((row) => row.name === name)?.calls;
  const meant = nearest(name, names);
  let reason: Sentence | undefined;
  if (elsewhere) reason = `it is an option of ${elsewhere.join(' and ')}`;
  else if (meant !== undefined) reason = sentence`did you mean ${option(meant)}?`;
  throw unknownOption(name, `an option of ${call}`, reason);
}

type Validator = (name: string, value: unknown, row: OptionRow) => unknown;

/** The check of each type. What it returns is a copy of the value. */
const validators: Readonly<Record<OptionType, Validator>> = {
  boolean(name, value) {
    if (typeof value === 'boolean') return value;
    throw invalidArgType(name, 'a boolean', value);
  },

  integer(name, value, { min = 0, max = Number.MAX_SAFE_INTEGER, unit }) {
    if (typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max) {
      // The sum is 0 for -0, which is an integer, too.
      return value + 0;
    }
    const expected = `an integer from ${min} to ${max}${unit === undefined ? '' : ` (${unit})`}`;
    if (typeof value !== 'number') throw invalidArgType(name, expected, value);
    throw invalidArgValue(name, expected, value);
  },

  path: (name, value) => resolve(checkText(name, 'a path', value)),

  relativePath(name, value) {
    const path = checkText(name, 'a relative path', value);
    if (isAbsolute(path)) throw invalidArgValue(name, 'a relative path', value, 'it is absolute');
    return path;
  },

  fileName(name, value) {
    const expected = 'a file name without a directory';
    const file = checkText(name, expected, value);
    if (file.includes('/') || file === '.' || file === '..') {
      throw invalidArgValue(name, expected, value);
    }
    if (isWrittenName(file)) {
      throw invalidArgValue(
        name,
        'a name that neither CRIU nor libcriu gives to another file',
        value,
      );
    }
    return file;
  },

  enum(name, value, { values = [] }) {
    if (typeof value === 'string' && values.includes(value)) return value;
    const expected = alternatives(values);
    if (typeof value !== 'string') throw invalidArgType(name, expected, value);
    const meant = nearest(value, values);
    const reason = meant === undefined ? undefined : `did you mean ${meant}?`;
    throw invalidArgValue(name, expected, value, reason);
  },

  'enum[]': (name, value, row) =>
    elements(name, value, (element, item) => validators.enum(element, item, row)),

  string(name, value, { pattern }) {
    const expected = pattern?.expected ?? 'a string';
    const checked = checkText(name, expected, value);
    if (pattern && !pattern.test.test(checked)) throw invalidArgValue(name, expected, value);
    return checked;
  },

  'string[]': (name, value, row) =>
    elements(name, value, (element, item) => validators.string(element, item, row)),

  'path[]': (name, value, row) =>
    elements(name, value, (element, item) => validators.path(element, item, row)),

  address: parsePageServer,

  ip: (name, value) => checkAddress(name, value, false),

  host: (name, value) => checkAddress(name, value, true),

  'cgroupRoot[]': (name, value) => elements(name, value, checkCgroupRoot),

  'joinedNamespace[]': (name, value) => elements(name, value, checkJoinedNamespace),

  'inheritedFd[]': (name, value) => elements(name, value, checkInheritedFd),

  data: checkData,

  environment: checkEnvironment,

  'argument[]': (name, value) => elements(name, value, checkArgument),

  limitedCgroup: (name, value) => checkLimitedCgroup(name, value),

  stdio: (name, value) => checkStdio(name, value),

  file(name, value) {
    if (value instanceof Writable) return value;
    return resolve(checkText(name, 'a path or a writable stream', value));
  },

  signal(name, value) {
    if (value instanceof AbortSignal) return value;
    throw invalidArgType(name, 'an AbortSignal', value);
  },

  hooks: (name, value) => validateHooks(dumpHooks, name, value),

  restoreHooks: (name, value) => validateHooks(restoreHooks, name, value),

  progressHandler(name, value) {
    if (typeof value === 'function') return value;
    throw invalidArgType(name, 'a function', value);
  },

  criu(name, value) {
    if (value instanceof Criu) return value;
    throw invalidArgType(name, 'an instance of Criu', value);
  },
};

function elements<T>(
  name: string,
  value: unknown,
  check: (name: string, item: unknown) => T,
): readonly T[] {
  if (!Array.isArray(value)) throw invalidArgType(name, 'an array', value);
  return Array.from(value, (item: unknown, index) => check(`${name}[${index}]`, item));
}

/**
 * Refuses options that CRIU would ignore together, wait for without end, or decide between by the
 * order of its own code.
 */
function refuseContradictions(call: Call, options: Readonly<Record<string, unknown>>): void {
  const { leaveStopped, preDump, lazyPages, statusFd, freezer, tcpClose } = options;
  const { preDumpMode, freezeCgroup, leaveRunning, tcpEstablished, parentPath, trackMem } = options;
  const server = options['pageServer'] as PageServer | undefined;
  if (leaveRunning && leaveStopped) throw exclusive('leaveRunning', 'leaveStopped');
  if (tcpEstablished && tcpClose) throw exclusive('tcpEstablished', 'tcpClose');
  if (preDump && leaveStopped) {
    throw exclusive('preDump', 'leaveStopped', 'after a pre-dump all runs on');
  }
  if (preDump && lazyPages) {
    throw exclusive('preDump', 'lazyPages', 'a pre-dump writes the memory');
  }
  if (parentPath !== undefined && trackMem === false) {
    throw incomplete('parentPath', 'trackMem', 'what has changed would not be known');
  }
  if (call === 'checkpoint' && preDumpMode !== undefined && !preDump) {
    throw incomplete('preDumpMode', 'preDump', undefined, inspect(preDumpMode));
  }
  if (statusFd !== undefined && !lazyPages) {
    throw incomplete('statusFd', 'lazyPages', 'there is no status without', String(statusFd));
  }
  if (!call.startsWith('restore') && lazyPages && !server) {
    throw incomplete('lazyPages', 'pageServer', 'the pages are served at that address');
  }
  if (lazyPages && server && (!isIP(server.address) || server.address.includes('%'))) {
    const reason = sentence`${option('lazyPages')} listens there`;
    throw invalidArgValue('pageServer', 'an IP address of this machine', server.address, reason);
  }
  refuseArchiveWithout(options);
  refuseTlsForNothing(options);
  if (options['tls'] && !server && optionOf(call, 'pageServer') !== undefined) {
    throw incomplete('tls', 'pageServer', 'there is no connection without');
  }
  if (call !== 'checkpoint' && freezer === 'cgroup' && freezeCgroup === undefined) {
    throw incomplete('freezer', 'freezeCgroup', undefined, "'cgroup'");
  }
}

/** Refuses what an engine would not find, or could not restore, where it looks for a checkpoint. */
function refuseBesidePlace(given: Readonly<Record<string, unknown>>): void {
  for (const name of ['imagePath', 'parentPath', 'preDump', 'lazyPages', 'pageServer']) {
    const value = given[name];
    if (value !== undefined && value !== false) throw exclusive('inEngine', name);
  }
}

/** Refuses an archive of less than all of a container, and what belongs to one where there is none. */
function refuseArchiveWithout(options: Readonly<Record<string, unknown>>): void {
  const isGiven = (name: string): boolean => options[name] !== undefined && options[name] !== false;
  if (options['export'] === undefined) {
    const name = ['format', 'compression', 'ignoreRootfs', 'ignoreVolumes'].find(isGiven);
    if (name !== undefined) throw incomplete(name, 'export', 'there is no archive without');
    return;
  }
  if (options['format'] === 'containerd' && isGiven('compression')) {
    throw new ContradictionError(
      ['format', 'compression'],
      sentence`${option('format', 'containerd')} and ${option('compression')} exclude each other:
        containerd reads no other`,
    );
  }
  const other = ['preDump', 'parentPath', 'lazyPages', 'pageServer'].find(isGiven);
  if (other === undefined) return;
  throw exclusive('export', other, 'the archive has to have all of the memory');
}

/** What a bundle is made of, beside the checkpoint itself. */
const ofFrom = ['rootfs', 'volumes', 'joinNs', 'maxEntries', 'maxBytes', 'maxRatio'] as const;

/** Refuses images beside a checkpoint that has its own, and what is for a checkpoint without one. */
function refuseBesideFrom(given: Readonly<Record<string, unknown>>): void {
  if (given['from'] !== undefined) {
    if (given['imagePath'] !== undefined) throw exclusive('from', 'imagePath');
    if (given['lazyPages']) throw exclusive('from', 'lazyPages', 'it has the memory');
    return;
  }
  for (const name of ofFrom) {
    if (given[name] !== undefined) throw incomplete(name, 'from');
  }
}

/** Refuses what a command line cannot say: it is a command that systemd starts. */
function refuseBesideUnit(
  rows: readonly OptionRow[],
  given: Readonly<Record<string, unknown>>,
): void {
  for (const { name, flag } of rows) {
    const value = given[name];
    if (flag !== undefined || name === 'signal' || value === undefined || value === false) continue;
    throw exclusive('unit', name, 'it is another process that restores');
  }
}

/** Refuses what belongs to TLS without `tls`: whoever names a certificate believes it is used. */
function refuseTlsForNothing(options: Readonly<Record<string, unknown>>): void {
  if (options['tls'] === true) return;
  for (const name of ['tlsCacert', 'tlsCacrl', 'tlsCert', 'tlsKey', 'tlsNoCnVerify']) {
    if (options[name] !== undefined && options[name] !== false) {
      throw incomplete(name, 'tls', 'nothing is encrypted without');
    }
  }
}

/** Words as in "'soft', 'full' or 'strict'". */
function alternatives(values: readonly string[]): string {
  const words = values.map((value) => inspect(value));
  const last = words.pop() ?? '';
  return words.length === 0 ? last : `${words.join(', ')} or ${last}`;
}

/**
 * Checks the option `hooks` and gives a copy of it.
 *
 * @throws TypeError, RangeError
 */
function validateHooks(
  { scripts }: HookSet<string>,
  name: string,
  value: unknown,
): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw invalidArgType(name, 'an object of functions', value);
  }
  const hookNames = Object.keys(scripts);
  const hooks: Record<string, unknown> = {};
  for (const [hook, handler] of Object.entries(value)) {
    if (!hookNames.includes(hook)) {
      const meant = nearest(hook, hookNames);
      const reason = meant === undefined ? undefined : `did you mean ${meant}?`;
      throw invalidArgValue(`${name}.${hook}`, `one of ${hookNames.join(', ')}`, hook, reason);
    }
    if (handler === undefined) continue;
    if (typeof handler !== 'function') {
      throw invalidArgType(`${name}.${hook}`, 'a function', handler);
    }
    hooks[hook] = handler;
  }
  return hooks;
}
