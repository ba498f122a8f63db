import { Criu } from '../criu/criu.js';
import { type Host, realHost } from '../linux/host.js';
import { answer, type Check, type Diagnosis, type Question } from './check.js';
import { checkAddon, checkCriu, checkFeatures, checkKernel, checkNftables } from './criu.js';
import { checkEngines, checkRuntimes } from './engines.js';
import { checkCgroups, checkKernelData, checkPipeSize, checkSpace } from './machine.js';
import { checkRights } from './rights.js';

/** What is examined. */
export interface Subject {
  /** Without it, one that keeps nothing ready. */
  criu: Criu | undefined;
  /** Where images are to go. */
  imagePath: string;
}

/** Looks at the machine, which may be one that a test has made. */
export async function examine(
  { criu: given, imagePath }: Subject,
  host: Host = realHost,
): Promise<Diagnosis> {
  const criu = given ?? new Criu({ workers: 0 });
  try {
    const checks = await ask(criu, imagePath, host);
    return { ok: checks.every(({ status }) => status !== 'fails'), checks };
  } finally {
    if (given === undefined) await criu.close().catch(() => {});
  }
}

/** What is missing is told once, and not again by what needs it. */
async function ask(criu: Criu, imagePath: string, host: Host): Promise<Check[]> {
  const checks: Check[] = [];
  const add = async (questions: readonly Question[]): Promise<boolean> => {
    const before = checks.length;
    for (const question of questions) checks.push(...(await answer(question)));
    return checks.slice(before).every(({ status }) => status !== 'fails');
  };
  const mayDump = await add([
    { code: 'root', what: 'what this process may do', ask: () => checkRights(host) },
  ]);
  const hasAddon = await add([{ code: 'addon', what: 'the native addon', ask: checkAddon }]);
  const about: Question = { code: 'criu', what: 'criu and libcriu', ask: () => checkCriu(criu) };
  const hasCriu = hasAddon && (await add([about]));
  if (mayDump && hasCriu) {
    await add([
      { code: 'kernel', what: 'criu check', ask: () => checkKernel(criu) },
      { code: 'memory-tracking', what: "the kernel's features", ask: () => checkFeatures(criu) },
      { code: 'nftables', what: 'nftables', ask: () => checkNftables(criu) },
      { code: 'kernel-data-cache', what: "CRIU's cache", ask: () => checkKernelData(criu) },
    ]);
  }
  await add([
    { code: 'cgroups', what: 'the cgroups', ask: () => checkCgroups(host) },
    { code: 'pipe-size', what: 'fs.pipe-max-size', ask: () => checkPipeSize(host) },
    { code: 'space', what: 'the space for images', ask: () => checkSpace(imagePath) },
    { code: 'runtime', what: 'the runtimes', ask: () => checkRuntimes(host) },
    { code: 'engine', what: 'the engines', ask: () => checkEngines(criu, host) },
  ]);
  return checks;
}
