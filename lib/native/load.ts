import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import { CriuError, errnoOf, reason } from '../base/errors.js';
import { isCheckout, packageRoot } from '../base/package-root.js';
import type { NativeAddon } from './contract.js';
import { installedOthers, installedPlatform, loadPlatform, platformName } from './platform.js';

/** An addon, and the path of its file. */
export interface LoadedAddon {
  addon: NativeAddon;
  path: string;
}

/** A place where an addon may be. */
interface Source {
  /** In sentences: `the package @libcriu/linux-x64-gnu`. */
  title: string;
  path: string;
  load: () => LoadedAddon;
}

/**
 * Loads the addon: that of `LIBCRIU_ADDON`, else that of the package for this system, else one that was
 * built here. In a clone of the repository, what was built there comes before the package.
 *
 * @throws CriuError `ERR_CRIU_ADDON_NOT_FOUND`, with the loader's reason and the command that helps.
 */
export function loadAddon(): LoadedAddon {
  const failures: Failure[] = [];
  for (const source of sources()) {
    try {
      return source.load();
    } catch (cause) {
      failures.push({ source, cause });
    }
  }
  const [first] = failures;
  const options = first === undefined ? {} : { cause: first.cause };
  throw new CriuError('ERR_CRIU_ADDON_NOT_FOUND', sentenceOf(first), options);
}

/**
 * The path of the addon that {@link loadAddon} would load first.
 *
 * @returns undefined where there is none.
 */
export function addonPath(): string | undefined {
  return sources()[0]?.path;
}

interface Failure {
  source: Source;
  cause: unknown;
}

const overrideTitle = 'the native addon of LIBCRIU_ADDON';
const buildTitle = 'the native addon that was built here';

function sources(): readonly Source[] {
  const override = process.env['LIBCRIU_ADDON'];
  if (override) {
    const path = resolve(override);
    const load = (): LoadedAddon => ({ addon: requireFile(path), path });
    return [{ title: overrideTitle, path, load }];
  }
  if (usual.length === 0) {
    // Who works on the package has built it last; others build only what no package fits.
    usual = isCheckout() ? [...ownBuild(), ...platform()] : [...platform(), ...ownBuild()];
  }
  return usual;
}

/** Those that were found, without `LIBCRIU_ADDON`. */
let usual: readonly Source[] = [];

function platform(): Source[] {
  const found = installedPlatform();
  if (found === undefined) return [];
  const { name, path } = found;
  const load = (): LoadedAddon => ({ addon: loadPlatform(found) as NativeAddon, path });
  return [{ title: `the package ${name}`, path, load }];
}

/** What node-gyp has made here, found by `bindings`, which is loaded for nothing else. */
function ownBuild(): Source[] {
  const root = packageRoot();
  if (root === undefined) return [];
  const files = ['Debug', 'Release'].map((name) => join(root, 'build', name, 'criu_native.node'));
  const path = files.find((file) => existsSync(file));
  if (path === undefined) return [];
  const load = (): LoadedAddon => {
    const bindings = createRequire(import.meta.url)('bindings') as typeof import('bindings');
    const addon = bindings({ bindings: 'criu_native', module_root: root }) as NativeAddon & {
      path: string;
    };
    return { addon, path: addon.path };
  };
  return [{ title: buildTitle, path, load }];
}

function requireFile(path: string): NativeAddon {
  return createRequire(path)(path) as NativeAddon;
}

function sentenceOf(failure: Failure | undefined): string {
  if (errnoOf(failure?.cause) === 'ERR_DLOPEN_DISABLED') {
    return (
      'Node.js was started so that it loads no native addons: start it without --no-addons, and ' +
      'under its permission model with --allow-addons, --allow-fs-read=* and --allow-fs-write=*'
    );
  }
  if (failure === undefined) return notThere();
  const { source, cause } = failure;
  const why = reason(cause).split('\n', 1)[0]?.replace(/\.$/, '');
  const sentence = `${source.title.replace(/^t/, 'T')} could not be loaded: ${why}`;
  const cure = source.title === overrideTitle ? undefined : cureOf(source);
  return cure === undefined ? sentence : `${sentence}; ${cure}`;
}

/** What helps where one is there that cannot be loaded. */
function cureOf({ title }: Source): string | undefined {
  if (packageRoot() === undefined) return 'set LIBCRIU_ADDON to the path of one that can be';
  if (isCheckout()) return `run "npm run build -- --force" in ${packageRoot()}`;
  if (title !== buildTitle && title !== `the package ${platformName()}`) return reinstall();
  return 'run "npx libcriu setup", which builds one for this system';
}

function reinstall(): string {
  return (
    `this Node.js needs ${platformName()}: node_modules was installed for another C library ` +
    'or processor. Run "npm install" on this system'
  );
}

/** What helps where there is none at all. */
function notThere(): string {
  const fitting = platformName();
  if (packageRoot() === undefined) {
    return (
      `The native addon was not found: libcriu has been bundled, and ${fitting} is not installed ` +
      'where the bundle is. Install it there, or set LIBCRIU_ADDON to the path of the addon'
    );
  }
  if (isCheckout()) {
    return `The native addon has not been built; run "npm run build" in ${packageRoot()}`;
  }
  const others = installedOthers();
  if (others.length > 0) {
    return `The native addon was not found: ${others.join(' and ')} is installed, but ${reinstall()}`;
  }
  return (
    `The native addon was not found: the package ${fitting} is not installed, as after ` +
    '"npm install --omit=optional". Run "npx libcriu setup", which builds the addon'
  );
}
