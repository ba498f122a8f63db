import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { types } from 'node:util';
import { CriuError } from '../base/errors.js';
import type { NativeAddon } from './contract.js';
import { withCode } from './failure.js';
import { type LoadedAddon, loadAddon } from './load.js';

let loaded: LoadedAddon | undefined;

/**
 * The addon, loaded at first use so that importing the package works where it is not built.
 *
 * @throws CriuError `ERR_CRIU_ADDON_NOT_FOUND`
 */
export function nativeAddon(): NativeAddon {
  return load().addon;
}

function load(): LoadedAddon {
  if (loaded === undefined) {
    const { addon, path } = loadAddon();
    loaded = { addon: withCodes(addon), path };
  }
  return loaded;
}

/**
 * The path of what is built beside the addon, wherever that is.
 *
 * @throws CriuError `ERR_CRIU_ADDON_NOT_FOUND`
 */
export function nativeFile(name: string): string {
  const file = join(dirname(load().path), name);
  if (existsSync(file)) return file;
  throw new CriuError(
    'ERR_CRIU_ADDON_NOT_FOUND',
    `There is no ${file}, which belongs to the addon`,
  );
}

/**
 * The directory whose `tar` is our own writer, to come first in criu's `PATH`.
 *
 * @throws CriuError `ERR_CRIU_ADDON_NOT_FOUND`
 */
export function nativeTarDirectory(): string {
  return dirname(nativeFile('tar-first/tar'));
}

/**
 * The directory whose `criu` stands before the one that we use, to come first in the `PATH` of a
 * container runtime.
 *
 * @throws CriuError `ERR_CRIU_ADDON_NOT_FOUND`
 */
export function nativeFrontDirectory(): string {
  return dirname(nativeFile('criu-first/criu'));
}

/** The same addon, whose errors are those of the API. */
function withCodes<Addon extends object>(addon: Addon): Addon {
  const members = Object.getOwnPropertyNames(addon).map((name) => {
    const member: unknown = Reflect.get(addon, name);
    return [name, typeof member === 'function' ? coded(addon, member as Call) : member] as const;
  });
  return Object.fromEntries(members) as Addon;
}

type Call = (...args: unknown[]) => unknown;

function coded(addon: object, call: Call): Call {
  return (...args) => {
    try {
      return settled(call.apply(addon, args));
    } catch (error) {
      throw withCode(error);
    }
  };
}

/** What a call returns: a promise, what has one as `done`, or a plain value. */
function settled(value: unknown): unknown {
  if (types.isPromise(value)) return value.catch(rethrow);
  if (typeof value !== 'object' || value === null || !('done' in value)) return value;
  return Object.assign(value, { done: settled(value.done) });
}

function rethrow(error: unknown): never {
  throw withCode(error);
}
