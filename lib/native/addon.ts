import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { types } from 'node:util';
import { CriuError, errnoOf, reason } from '../base/errors.js';
import { packageRoot } from '../base/package-root.js';
import type { NativeAddon } from './contract.js';
import { withCode } from './failure.js';

/** `bindings` adds where it found the addon. */
let loaded: (NativeAddon & { path?: string }) | undefined;

/**
 * The addon, loaded at first use so that importing the package works where it is not built.
 *
 * @throws CriuError `ERR_CRIU_ADDON_NOT_FOUND`
 */
export function nativeAddon(): NativeAddon {
  loaded ??= withCodes(load());
  return loaded;
}

/**
 * The path of what is built beside the addon.
 *
 * @throws CriuError `ERR_CRIU_ADDON_NOT_FOUND`
 */
export function nativeFile(name: string): string {
  nativeAddon();
  const addon = process.env['LIBCRIU_ADDON'] || loaded?.path || '';
  const file = join(dirname(resolve(addon)), name);
  if (existsSync(file)) return file;
  throw new CriuError(
    'ERR_CRIU_ADDON_NOT_FOUND',
    `${name} has not been built: there is no ${file}`,
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

/**
 * Whatever is wrong is told here: an import must not fail where the addon is not used. In a bundle
 * neither the package's directory nor the module `bindings` need be there.
 */
function load(): NativeAddon & { path?: string } {
  const root = packageRoot();
  const override = process.env['LIBCRIU_ADDON'];
  try {
    const require = createRequire(join(root ?? process.cwd(), 'package.json'));
    if (override) return require(resolve(override)) as NativeAddon;
    if (root === undefined) throw new Error('the package has been bundled');
    const bindings = require('bindings') as typeof import('bindings');
    return bindings({ bindings: 'criu_native', module_root: root }) as NativeAddon;
  } catch (cause) {
    throw new CriuError('ERR_CRIU_ADDON_NOT_FOUND', failedLoad(root, override, cause), { cause });
  }
}

function failedLoad(
  root: string | undefined,
  override: string | undefined,
  cause: unknown,
): string {
  if (errnoOf(cause) === 'ERR_DLOPEN_DISABLED') {
    return (
      'Node.js was started so that it loads no native addons: start it without --no-addons, and ' +
      'under its permission model with --allow-addons, --allow-fs-read=* and --allow-fs-write=*'
    );
  }
  const why = reason(cause).split('\n', 1)[0]?.replace(/\.$/, '');
  if (override) return `The native addon of LIBCRIU_ADDON could not be loaded: ${why}`;
  if (root === undefined || !existsSync(join(root, 'package.json'))) {
    return `The native addon was not found (${why}): set LIBCRIU_ADDON to its path`;
  }
  if (!existsSync(join(root, 'build'))) {
    return `The native addon has not been built; run "npm run build" in ${root}`;
  }
  return `The native addon could not be loaded: ${why}; run "npm run build" in ${root}`;
}
