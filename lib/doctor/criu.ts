import { CriuError, reason } from '../base/errors.js';
import type { Criu } from '../criu/criu.js';
import type { Installation } from '../criu/locate.js';
import { tooOld, versionText } from '../criu/program.js';
import { requireTrustedAddon } from '../linux/trusted.js';
import { nativeAddon } from '../native/addon.js';
import { type Check, failed, passed, warned } from './check.js';

/** Which check the failure of a search is one of. */
const codes = {
  ERR_CRIU_ADDON_NOT_FOUND: 'addon',
  ERR_CRIU_LIBRARY_NOT_FOUND: 'library',
} as const;

const installs = 'Install criu, or run "npx libcriu setup"';

/** Whether the native addon can be loaded. */
export async function checkAddon(): Promise<readonly Check[]> {
  try {
    await requireTrustedAddon();
    nativeAddon();
    return [passed('addon', 'The native addon is loaded')];
  } catch (error) {
    // The sentence itself says what to do.
    return [failed('addon', reason(error), 'Do as the sentence says')];
  }
}

/** Where criu and libcriu are, and whether they can be used on this kernel. */
export async function checkCriu(criu: Criu): Promise<readonly Check[]> {
  let installation: Installation;
  try {
    installation = await criu.installation();
  } catch (error) {
    const code = error instanceof CriuError ? (error.code as keyof typeof codes) : undefined;
    const about = code === undefined ? undefined : codes[code];
    return [failed(about ?? 'criu', reason(error), installs)];
  }
  const { binary, library, service } = installation;
  const there = [passed('library', `libcriu is loaded from ${library}`, library)];
  const where = service === undefined ? binary : `the service ${service}`;
  try {
    const version = await criu.version();
    const text = `criu ${versionText(version)} at ${where}`;
    const why = tooOld(version);
    if (why === undefined) return [passed('criu', `${text} can be used`, where), ...there];
    return [failed('criu', `${text} ${why}`, 'Install a newer one', where), ...there];
  } catch (error) {
    return [failed('criu', `${where} does not run: ${reason(error)}`, installs, where), ...there];
  }
}

/** What this kernel has for CRIU: what `criu check` asks, and what only some options need. */
export async function checkKernel(criu: Criu): Promise<readonly Check[]> {
  try {
    await criu.check();
  } catch (error) {
    const cure = 'Use a kernel with CONFIG_CHECKPOINT_RESTORE and what the sentence names';
    return [failed('kernel', `criu check fails: ${reason(error)}`, cure)];
  }
  return [passed('kernel', 'The kernel has what criu check asks for')];
}

/** What of the kernel's only some options need. */
export async function checkFeatures(criu: Criu): Promise<readonly Check[]> {
  const { memTrack, lazyPages } = await criu.features();
  return [
    memTrack
      ? passed('memory-tracking', 'The kernel tracks memory: pre-dumps and parents can be used')
      : warned(
          'memory-tracking',
          'The kernel does not track memory: preDump, parentPath and iterate cannot be used',
          'Use a kernel with CONFIG_MEM_SOFT_DIRTY',
        ),
    lazyPages
      ? passed('lazy-pages', 'The kernel has userfaultfd: lazyPages can be used')
      : warned(
          'lazy-pages',
          'The kernel lacks userfaultfd: lazyPages cannot be used',
          'Use a kernel with CONFIG_USERFAULTFD',
        ),
  ];
}

/** Whether the network is locked by nftables, or by the slower iptables. */
export async function checkNftables(criu: Criu): Promise<readonly Check[]> {
  const installation = await criu.installation();
  if (installation.service !== undefined) {
    return [passed('nftables', 'The criu service decides by what it locks the network')];
  }
  if (await criu.hasNftables(installation)) {
    return [passed('nftables', 'The network is locked by nftables')];
  }
  const message =
    'criu or the kernel lacks nftables: iptables locks the network, which takes longer';
  const cure = 'Load the module nf_tables, and use a criu that is built with libnftables';
  return [warned('nftables', message, cure)];
}
