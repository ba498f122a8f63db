import { CriuError, errnoOf } from '../base/errors.js';
import { isInPackage } from '../base/package-root.js';
import { addonPath } from '../native/load.js';
import { inspectOwnership, type OwnershipOptions, type OwnershipReport } from './ownership.js';
import { shownPath } from './paths.js';

const writableByOthers = 0o022;

/**
 * Opens what a path leads to, if nobody but root and this user can have chosen or written it. By the
 * descriptor it is the same object from then on.
 *
 * @param what - What it is, for the sentence: `the criu program`.
 * @throws CriuError `ERR_UNTRUSTED_PATH` that names the path and why.
 * @throws Error with the `code` of the failed system call, `ENOENT` when there is nothing.
 */
export async function openTrusted(
  what: string,
  path: string,
  options?: OwnershipOptions,
): Promise<OwnershipReport> {
  const report = await inspectOwnership(path, options);
  refuseDistrusted(what, path, report);
  return report;
}

/**
 * Refuses what a path led to, and closes it, if another user can have chosen or written it, or can
 * make what is missing.
 *
 * @throws CriuError `ERR_UNTRUSTED_PATH`
 */
export function refuseDistrusted(what: string, path: string, report: OwnershipReport): void {
  const reason = reasonForDistrust(report);
  if (reason === undefined) return;
  report.close();
  throw new CriuError(
    'ERR_UNTRUSTED_PATH',
    `Refused to use ${what} ${shownPath(path)}, which another user may have made or changed: ` +
      reason,
  );
}

/**
 * Why another user may have had a hand in it: where something is missing others may put something,
 * as in a directory with the sticky bit.
 */
export function reasonForDistrust(report: OwnershipReport): string | undefined {
  const { missing, stats, real, reason } = report;
  if (reason !== undefined) return reason;
  const isShared = missing.length > 0 && (stats.mode & writableByOthers) !== 0;
  return isShared ? `it does not exist yet, and every user may make it in ${real}` : undefined;
}

/**
 * Refuses a path that another user can have chosen or written. A trusted one may be used by its name
 * afterwards, for nobody but root and this user can make it lead elsewhere. A path that leads to
 * nothing is left to whoever uses it, unless another user can put something there.
 *
 * @throws CriuError `ERR_UNTRUSTED_PATH`
 */
export async function requireTrusted(what: string, path: string): Promise<void> {
  try {
    (await openTrusted(what, path, { mayBeMissing: true })).close();
  } catch (error) {
    // It cannot be used either, and its user tells why.
    if (error instanceof CriuError || !isUnusable(error)) throw error;
  }
}

/** Whether a directory is there that nobody but root and this user can put something into. */
export async function isTrustedDirectory(path: string): Promise<boolean> {
  try {
    const report = await inspectOwnership(path);
    report.close();
    return report.reason === undefined && report.stats.isDirectory();
  } catch (error) {
    if (isUnusable(error)) return false;
    throw error;
  }
}

/** Whether the path leads to nothing that can be used; that there is no `/proc` does not tell so. */
function isUnusable(error: unknown): boolean {
  const { path } = error as { path?: unknown };
  if (path === '/proc/self/fd') return false;
  return ['ENOENT', 'ENOTDIR', 'ELOOP', 'EACCES', 'ENAMETOOLONG'].includes(errnoOf(error) ?? '');
}

/**
 * Looks at the native addon before it is loaded: that of `LIBCRIU_ADDON`, or that of a package that
 * lies elsewhere than this one. The package's own is trusted as the code is that loads it.
 *
 * @throws CriuError `ERR_UNTRUSTED_PATH`
 */
export async function requireTrustedAddon(): Promise<void> {
  const { LIBCRIU_ADDON } = process.env;
  const path = addonPath();
  if (path === undefined || isInPackage(path)) return;
  const what = LIBCRIU_ADDON ? 'the native addon of LIBCRIU_ADDON' : 'the native addon';
  await requireTrusted(what, path);
}
