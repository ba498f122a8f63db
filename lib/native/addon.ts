import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CriuError } from '../base/errors.js';
import type { NativeAddon } from './contract.js';

/** `bindings` adds where it found the addon. */
let loaded: (NativeAddon & { path?: string }) | undefined;

/**
 * The addon, loaded at first use so that importing the package works where it is not built.
 *
 * @throws CriuError `ERR_CRIU_ADDON_NOT_FOUND`
 */
export function nativeAddon(): NativeAddon {
  loaded ??= load();
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

function load(): NativeAddon {
  const root = fileURLToPath(new URL('../..', import.meta.url));
  const require = createRequire(import.meta.url);
  const override = process.env['LIBCRIU_ADDON'];
  try {
    if (override) return require(resolve(override)) as NativeAddon;
    const bindings = require('bindings') as typeof import('bindings');
    return bindings({ bindings: 'criu_native', module_root: root }) as NativeAddon;
  } catch (cause) {
    const built = existsSync(`${root}build`) ? 'could not be loaded' : 'has not been built';
    throw new CriuError(
      'ERR_CRIU_ADDON_NOT_FOUND',
      `The native addon ${built}; run "npm run build" in ${root}`,
      { cause },
    );
  }
}
