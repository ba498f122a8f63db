import { createRequire } from 'node:module';
import { join } from 'node:path';

/** The C libraries for which there are packages. */
export type Libc = 'gnu' | 'musl';

// Literal calls of `require`, so that bundlers and what traces files see which packages may be needed.
// They resolve from the file in which this code is, which in a bundle is the bundle.
const require = createRequire(place());

const packages: Readonly<Record<string, { path: () => string; load: () => unknown }>> = {
  '@libcriu/linux-x64-gnu': {
    path: () => require.resolve('@libcriu/linux-x64-gnu'),
    load: () => require('@libcriu/linux-x64-gnu'),
  },
  '@libcriu/linux-x64-musl': {
    path: () => require.resolve('@libcriu/linux-x64-musl'),
    load: () => require('@libcriu/linux-x64-musl'),
  },
  '@libcriu/linux-arm64-gnu': {
    path: () => require.resolve('@libcriu/linux-arm64-gnu'),
    load: () => require('@libcriu/linux-arm64-gnu'),
  },
  '@libcriu/linux-arm64-musl': {
    path: () => require.resolve('@libcriu/linux-arm64-musl'),
    load: () => require('@libcriu/linux-arm64-musl'),
  },
};

/** The names of the packages with an addon in them. */
export const platformPackages: readonly string[] = Object.keys(packages);

/** A package with an addon, and the path of that. */
export interface PlatformPackage {
  name: string;
  path: string;
}

/**
 * The package for this system that is installed. npm installs no other; where both of a processor are
 * there, the C library that runs Node.js decides.
 *
 * @returns undefined where there is none.
 */
export function installedPlatform(): PlatformPackage | undefined {
  const installed = platformPackages
    .filter((name) => name.startsWith(`@libcriu/${process.platform}-${process.arch}-`))
    .flatMap((name) => find(name) ?? []);
  if (installed.length < 2) return installed[0];
  const wanted = platformName();
  return installed.find(({ name }) => name === wanted);
}

/** The addon in a package. */
export function loadPlatform({ name }: PlatformPackage): unknown {
  return packages[name]?.load();
}

/** The package that fits this system, installed or not. */
export function platformName(): string {
  return `@libcriu/${process.platform}-${process.arch}-${libc()}`;
}

/** Those that are installed and do not fit it. */
export function installedOthers(): readonly string[] {
  const fitting = platformName();
  return platformPackages.filter((name) => name !== fitting && find(name) !== undefined);
}

/** The package with CRIU for this processor: the path of its `package.json`, where it is installed. */
export function installedCriu(): string | undefined {
  try {
    if (process.arch === 'x64') return require.resolve('@libcriu/criu-linux-x64/package.json');
    if (process.arch === 'arm64') return require.resolve('@libcriu/criu-linux-arm64/package.json');
  } catch {
    // It is not installed.
  }
  return undefined;
}

/** What the loader of a package that is built for another C library says is no help to anybody. */
export function libc(): Libc {
  // A report takes 10 ms, so it is asked for only where it decides. Without network interfaces: their
  // names may be looked up.
  const report = process.report as NodeJS.ProcessReport & { excludeNetwork?: boolean };
  const before = report.excludeNetwork;
  report.excludeNetwork = true;
  try {
    const { header } = report.getReport() as { header?: { glibcVersionRuntime?: string } };
    return header?.glibcVersionRuntime === undefined ? 'musl' : 'gnu';
  } finally {
    report.excludeNetwork = before ?? false;
  }
}

function find(name: string): PlatformPackage | undefined {
  try {
    const path = packages[name]?.path();
    return path === undefined ? undefined : { name, path };
  } catch {
    return undefined;
  }
}

/** Where this code is. A bundle in the format of CommonJS has no `import.meta.url`. */
function place(): string {
  if (import.meta.url !== undefined) return import.meta.url;
  return typeof __filename === 'string' ? __filename : join(process.cwd(), 'package.json');
}
