import { existsSync } from 'node:fs';
import { dirname, resolve } from 'node:path';

/** The package's own directory. */
export const projectRoot: string = resolve(import.meta.dirname, '../..');

/** Where criu and libcriu are: what `LIBCRIU_PREFIX` says, else what the set-up script built. */
export const prefix: string = process.env['LIBCRIU_PREFIX'] ?? resolve(projectRoot, '.criu');

/** The criu that the tests compare with and that runc is given: set-up's, else the system's. */
export const criuBinary: string = (() => {
  const local = resolve(prefix, 'sbin/criu');
  if (existsSync(local)) return local;
  return '/usr/sbin/criu';
})();

/** The directory of CRIU's rpc.proto. */
export const protoDirectory: string = resolve(prefix, 'include/criu');

/** What `npm run build` makes. */
export const distIndex: string = resolve(projectRoot, 'dist/index.js');
export const distCli: string = resolve(projectRoot, 'dist/cli/main.js');

/** The environment in which runc finds the same criu as the addon. */
export function environmentWithCriu(...first: string[]): NodeJS.ProcessEnv {
  const path = [...first, resolve(prefix, 'sbin'), process.env['PATH'] ?? '/usr/sbin:/usr/bin'];
  return { ...process.env, PATH: path.join(':') };
}

/** Where the addon and its programs are: what `LIBCRIU_ADDON` says, else what `npm run build` made. */
export const nativeDirectory: string = dirname(
  resolve(projectRoot, process.env['LIBCRIU_ADDON'] ?? 'build/Release/criu_native.node'),
);
