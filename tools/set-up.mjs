// @ts-check
import { appendFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { release, tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  addonIsCurrent,
  buildAddon,
  buildTypescript,
  hasAddon,
  typescriptIsCurrent,
} from './build.mjs';
import {
  buildCriu,
  findCriu,
  installFromDistribution,
  minimumVersion,
  missingBuildPackages,
  prepareRunDirectory,
  runDirectoryIsReady,
} from './criu.mjs';
import { fetchCriuSource, hasCriuSource } from './criu-source.mjs';
import { enginesReleases, findEnginesRoot, makeEnginesRoot } from './engines-root.mjs';
import { fetchKernel, findKernel, kernelCanBeFetched } from './kernel.mjs';
import { withLock } from './lock.mjs';
import { installModules, modulesAreCurrent } from './modules.mjs';
import { fetchNodes, hasNodes } from './node-releases.mjs';
import { fetchOldCriu, hasOldCriu } from './old-criu.mjs';
import {
  addonBuildNeeds,
  developmentNeeds,
  hasApt,
  install,
  listsAreUpdated,
  missingPackages,
  requireApt,
  runtimeNeeds,
  updateLists,
} from './packages.mjs';
import { cleanRootOf, findRoot, makeRoot } from './packing/build-root.mjs';
import { findPackages, makePackages } from './packing/packages.mjs';
import { isCheckout, root } from './paths.mjs';
import { interrupt, StepError, seconds, tail } from './process.mjs';
import { findSystemdMachine, makeSystemdMachine } from './systemd-machine.mjs';

// Stands in the log where a step begins.
const stepMark = '==> ';

/** Whether nothing of the addon has to be built in an installed package. */
const addonIsThere = isCheckout || hasAddon();

const needs = isCheckout
  ? developmentNeeds
  : [...runtimeNeeds, ...(addonIsThere ? [] : addonBuildNeeds)];

/**
 * What a piece of work gets: a place for its files, and the log for what its tools print.
 *
 * @typedef {{workDirectory: string, logFile: string}} Workplace
 */

/**
 * A part of set-up: whether it is done already, and how it is done.
 *
 * @typedef {object} Part
 * @property {() => boolean | Promise<boolean>} isDone
 * @property {(workplace: Workplace) => Promise<void>} work
 */

/** @type {readonly Part[]} */
const parts = [
  {
    isDone: () => missingPackages(needs).length === 0,
    async work({ logFile }) {
      const names = missingPackages(needs);
      await step(`install ${names.join(' ')}`, logFile, () => install(names, logFile));
      const still = missingPackages(needs);
      if (still.length > 0) {
        throw new StepError(`installed, but still not to be found: what ${still.join(', ')} bring`);
      }
    },
  },
  { isDone: async () => (await findCriu()) !== undefined, work: provideCriu },
  {
    isDone: async () => !hasKernelDataDirectory(await findCriu()) || runDirectoryIsReady(),
    work: ({ logFile }) => step('prepare /run/criu', logFile, () => prepareRunDirectory(logFile)),
  },
  {
    isDone: () => !isCheckout || modulesAreCurrent(root),
    work: ({ logFile }) => step('npm ci', logFile, () => installModules(root, logFile)),
  },
  {
    isDone: () => (isCheckout ? addonIsCurrent() : hasAddon()),
    work: ({ logFile }) => step('build the addon', logFile, () => buildAddon({ logFile })),
  },
  {
    isDone: () => !isCheckout || typescriptIsCurrent(),
    work: ({ logFile }) =>
      step('build the TypeScript', logFile, () => buildTypescript({ logFile })),
  },
];

/** @type {Part} */
const definitions = {
  isDone: () => !isCheckout || !hasApt() || hasCriuSource(),
  work: ({ workDirectory, logFile }) =>
    step("fetch CRIU's definitions of its images", logFile, () =>
      fetchCriuSource(workDirectory, logFile),
    ),
};

/**
 * What is needed beside what everything needs.
 *
 * @type {Readonly<Record<'definitions' | 'tests' | 'engines', readonly Part[]>>}
 */
const extras = {
  definitions: [definitions],
  tests: [
    definitions,
    {
      isDone: () => !isCheckout || !kernelCanBeFetched() || findKernel() !== undefined,
      work: provideKernel,
    },
    {
      isDone: () => !isCheckout || !canMakeMachine() || findSystemdMachine('plain') !== undefined,
      work: (workplace) => provideSystemdMachine('plain', workplace),
    },
    {
      isDone: () => !isCheckout || !hasApt() || hasPackages(),
      work: (workplace) => providePackages(workplace),
    },
    // No test waits for a network, or fails where there is none.
    {
      isDone: () => !isCheckout || !hasApt() || hasOldCriu(),
      work: ({ workDirectory, logFile }) =>
        step("fetch the distribution's criu for the tests", logFile, () =>
          fetchOldCriu(workDirectory, logFile),
        ),
    },
    {
      isDone: () => !isCheckout || hasNodes(),
      work: ({ logFile }) =>
        step('fetch other releases of Node.js for the tests', logFile, () => fetchNodes(logFile)),
    },
  ],
  engines: [
    {
      isDone: () => !canMakeMachine() || findSystemdMachine('engines') !== undefined,
      work: (workplace) => provideSystemdMachine('engines', workplace),
    },
    ...enginesReleases.map((release) => ({
      isDone: () => findEnginesRoot(release) !== undefined,
      /** @param {Workplace} workplace */
      work: ({ workDirectory, logFile }) =>
        step(`install the engines of Debian's ${release}`, logFile, () =>
          makeEnginesRoot(release, workDirectory, logFile),
        ),
    })),
  ],
};

/**
 * Makes this machine ready. Silent where nothing is to be done; safe to repeat and to interrupt.
 *
 * @param {...keyof typeof extras} names for what else it is made ready
 */
export async function setUp(...names) {
  const all = [...parts, ...names.flatMap((name) => extras[name])];
  for (const part of all) {
    if (!(await part.isDone())) {
      await requireInstallable();
      await withLock(() => withWorkplace(all));
      return;
    }
  }
}

/** Names all that is missing at once, where we cannot install it. */
async function requireInstallable() {
  const names = missingPackages(needs);
  if ((await findCriu()) === undefined) {
    names.push(`criu (${minimumVersion(release())} or newer, with libcriu.so.2)`);
  }
  if (names.length > 0) {
    requireApt(names);
  }
}

/** @param {readonly Part[]} all */
async function withWorkplace(all) {
  const directory = mkdtempSync(join(tmpdir(), 'libcriu-set-up-'));
  const workDirectory = join(directory, 'work');
  const logFile = join(directory, 'log');
  mkdirSync(workDirectory);
  let keepLog = false;
  let interrupted = false;
  const onSignal = () => {
    interrupted = true;
    interrupt();
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  try {
    for (const part of all) {
      if (interrupted) {
        throw new StepError('interrupted');
      }
      // Asked again: another process may have done it while we waited for the lock.
      if (!(await part.isDone())) {
        await part.work({ workDirectory, logFile });
      }
    }
  } catch (error) {
    if (interrupted) {
      throw new StepError('interrupted');
    }
    keepLog = showFailure(logFile);
    throw error;
  } finally {
    process.removeListener('SIGINT', onSignal);
    process.removeListener('SIGTERM', onSignal);
    // The retries are for an interrupted tool's last child, which may still write.
    const options = { recursive: true, force: true, maxRetries: 5 };
    rmSync(keepLog ? workDirectory : directory, options);
  }
}

/**
 * Shows what the tools of the failed step said.
 *
 * @param {string} logFile
 * @returns {boolean} false when no step had begun
 */
function showFailure(logFile) {
  const lines = tail(logFile, 30);
  if (lines.length === 0) {
    return false;
  }
  const start = lines.findLastIndex((line) => line.startsWith(stepMark));
  const shown = lines.slice(start + 1).map((line) => `  | ${line}\n`);
  process.stderr.write(`${shown.join('')}  whole log: ${logFile}\n`);
  return true;
}

/** @param {Workplace} workplace */
async function provideCriu({ workDirectory, logFile }) {
  if (!listsAreUpdated()) {
    await step('apt-get update', logFile, () => updateLists(logFile));
  }
  if (await installFromDistribution(logFile)) {
    show("set-up: took the distribution's criu\n");
    return;
  }
  const names = await missingBuildPackages();
  if (names.length > 0) {
    await step(`install ${names.join(' ')}`, logFile, () => install(names, logFile));
    // A CRIU that we built earlier may only have lacked its libraries.
    if ((await findCriu()) !== undefined) {
      return;
    }
  }
  await step('build CRIU', logFile, () => buildCriu(workDirectory, logFile));
}

/** Whether it is one of ours, each of which has a directory of its own. @param {string | undefined} criu */
const hasKernelDataDirectory = (criu) => criu === 'built' || criu === 'package';

/** Only the tests in test/vm need it, and they tell when it is missing. @param {Workplace} workplace */
async function provideKernel({ workDirectory, logFile }) {
  try {
    const title = "fetch a kernel for the tests' virtual machine";
    await step(title, logFile, () => fetchKernel(workDirectory, logFile));
  } catch (error) {
    if (!(error instanceof StepError)) {
      throw error;
    }
    process.stderr.write(`set-up: test/vm will fail: ${error.message}\n`);
  }
}

/** Whether the packages are made, from wherever, and there is a root to install them in. */
function hasPackages() {
  const found = findPackages();
  return found !== undefined && findRoot(cleanRootOf(found.origin)) !== undefined;
}

/** Only the test of an installation needs them, and it tells when they are missing. @param {Workplace} workplace */
async function providePackages({ workDirectory, logFile }) {
  /** @type {import('./packing/packages.mjs').Step} */
  const quiet = (_, work) => work();
  const workplace = { workDirectory, logFile, step: quiet };
  try {
    if (findPackages() === undefined) {
      await step('pack what was built', logFile, () => makePackages('here', workplace));
    }
    const origin = findPackages()?.origin ?? 'here';
    const title = 'install a Debian without a compiler, in which the packages are tried';
    await step(title, logFile, () => makeRoot(cleanRootOf(origin), workDirectory, logFile));
  } catch (error) {
    if (!(error instanceof StepError)) {
      throw error;
    }
    process.stderr.write(`set-up: a test in test/package will fail: ${error.message}\n`);
  }
}

const canMakeMachine = () => kernelCanBeFetched() && process.geteuid?.() === 0;

/**
 * Only tests in test/vm need it, and they tell when it is missing.
 *
 * @param {import('./systemd-machine.mjs').Flavour} flavour
 * @param {Workplace} workplace
 */
async function provideSystemdMachine(flavour, { workDirectory, logFile }) {
  try {
    const title = `make a machine with systemd (${flavour}) for the tests`;
    await step(title, logFile, () => makeSystemdMachine(flavour, workDirectory, logFile));
  } catch (error) {
    if (!(error instanceof StepError)) {
      throw error;
    }
    process.stderr.write(`set-up: tests in test/vm will fail: ${error.message}\n`);
  }
}

/**
 * What this process has done.
 *
 * @type {{title: string, durationMs: number}[]}
 */
export const doneSteps = [];

let isQuiet = false;

/** From now on it does not tell how far it is. */
export function beQuiet() {
  isQuiet = true;
}

/** @param {string} text */
function show(text) {
  if (!isQuiet) process.stderr.write(text);
}

/**
 * One line of progress: what is done, then how long it took.
 *
 * @param {string} title
 * @param {string} logFile
 * @param {() => Promise<unknown>} work
 */
async function step(title, logFile, work) {
  show(`set-up: ${title} ...`);
  appendFileSync(logFile, `${stepMark}${title}\n`);
  const startedAt = performance.now();
  try {
    await work();
  } catch (error) {
    show(` failed after ${seconds(startedAt)}\n`);
    throw error;
  }
  show(` ${seconds(startedAt)}\n`);
  doneSteps.push({ title, durationMs: performance.now() - startedAt });
}
