import { delimiter } from 'node:path';
import { nativeFile, nativeTarDirectory } from '../native/addon.js';

/** Where criu's helpers (tar, iptables, ip) are, should the caller have no `PATH`. */
const systemPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** The options of a dump that decide on criu's environment. */
interface EnvironmentSettings {
  tar?: 'system' | 'native' | undefined;
  conntrack?: 'present' | 'always' | undefined;
}

/**
 * What criu needs of our environment, `NAME=value` each: nothing that a caller set for Node
 * (LD_PRELOAD) reaches it. Without options it is that of a dump with the default ones, so that the
 * spare of one operation fits the next.
 */
export function criuEnvironment({ tar, conntrack }: EnvironmentSettings = {}): string[] {
  const { PATH = systemPath, HOME, CRIU_CONFIG_FILE, CRIU_LIBS_DIR } = process.env;
  const variables = {
    PATH: tar === 'native' ? nativeTarDirectory() + delimiter + PATH : PATH,
    HOME,
    CRIU_CONFIG_FILE,
    CRIU_LIBS_DIR,
    LD_PRELOAD: conntrack === 'always' ? undefined : preloadable('criu_empty_conntrack.so'),
  };
  return Object.entries(variables).flatMap(([name, value]) =>
    value === undefined ? [] : [`${name}=${value}`],
  );
}

/** The list of what is preloaded has no way to quote a path. */
function preloadable(name: string): string | undefined {
  const file = nativeFile(name);
  return /[\s:]/.test(file) ? undefined : file;
}
