import { versionText } from '../criu/program.js';
import { requireRoot } from '../criu/require-root.js';
import { warningsOf } from '../criu/result.js';
import type { Outputs } from '../images/outputs.js';
import { decodeDumpStats, readableStats } from '../images/stats.js';
import { MemoryTracking } from '../images/tracking.js';
import { versionFile } from '../images/version.js';
import { Procfs } from '../linux/procfs.js';
import { reasonOfUnknown } from '../options/since.js';
import type { UnitTarget } from '../options/unit-target.js';
import { findUnit } from '../preflight/checks/unit.js';
import { findService } from '../units/find.js';
import { logFileOf, withConfigFile } from './config.js';
import { checksBeforeTurn, checksInTurn, runChecks } from './dump-checks.js';
import { type DumpResult, timingsOf } from './dump-result.js';
import { settle } from './dump-verdict.js';
import { type DumpJob, writeImages } from './dump-write.js';
import { openFreezer } from './freezer.js';
import { saveJournal } from './journal.js';
import type { DumpRequest } from './request.js';
import { inTurn, lockCgroup } from './turn.js';

/** Runs the dump or pre-dump of a process, or of the main process of a service of systemd. */
export async function dumpTarget(
  target: number | UnitTarget,
  asked: Omit<DumpRequest, 'pid' | 'service'>,
): Promise<DumpResult> {
  if (typeof target === 'number') return await runDump({ ...asked, pid: target });
  const { operation, deadline, preDump, options } = asked;
  requireRoot(operation);
  const service = await deadline.bound('process', findService(target.unit));
  // A service writes to the journal unless its unit says otherwise.
  const withJournal = { journal: !preDump, ...options };
  return await runDump({ ...asked, pid: service.pid, options: withJournal, service });
}

/**
 * Runs one dump or pre-dump: everything is checked before anything is touched, and after a failure
 * the tree runs on and no images are left that look complete.
 */
export async function runDump(asked: DumpRequest): Promise<DumpResult> {
  const { operation, criu, pid, preDump, deadline } = asked;
  const { startedAt: called } = deadline;
  requireRoot(operation);
  const ready = await deadline.bound('criu', criu.ready());
  const configFile = asked.options.configFile ?? asked.fields?.config_file;
  const configured = configFile === undefined ? asked : await withConfigFile(asked, configFile);
  const dumped = {
    ...configured,
    versionFile: versionFile(versionText(ready.version)),
    canSkipLock: reasonOfUnknown({ networkLock: 'skip' }, ready.version) === undefined,
  };
  const request = dumped.options.journal ? await withJournal(dumped) : dumped;
  const { options } = request;
  await runChecks(checksBeforeTurn, request, ready);
  return await inTurn(request, async (scope) => {
    const turn = performance.now();
    await runChecks(checksInTurn, request, ready);
    const cgroup = await openFreezer(request, scope);
    if (cgroup !== undefined) await lockCgroup(scope, cgroup, request);
    const tracking = await deadline.bound('directory', MemoryTracking.of(pid, preDump, options));
    const job: DumpJob = { request, installation: ready.installation, cgroup, tracking };
    const notes = tellsOfUnit(request) ? await notesOn(request) : [];
    const { outputs, verdict } = await writeImages(job, scope);
    const outcome = await settle(verdict, outputs, tracking);
    const stats = options.lazyPages ? undefined : readableStats(decodeDumpStats, outcome.stats);
    const warnings = [
      ...notes,
      ...warningsOf(outcome),
      ...(job.progress?.warnings ?? []),
      ...(outcome.isInPlace ? [] : await movedWarning(outputs)),
    ];
    const end = performance.now();
    return {
      pid,
      imagePath: outputs.images.path,
      logFile: logFileOf(request, outputs),
      stats,
      bytes: outcome.imagesBytes,
      files: outcome.imagesFiles,
      timings: timingsOf(outcome, { called, turn, end }, stats),
      warnings,
      durationMs: end - called,
    };
  });
}

/** Somebody may have tidied up while the images were written. */
async function movedWarning(outputs: Outputs): Promise<readonly string[]> {
  const { path } = outputs.images;
  const there = await outputs.movedTo();
  if (there === undefined) return [];
  return [
    `The images directory ${path} was moved while it was written: the images are in ${there}`,
  ];
}

/** Whether the tasks end with the dump, and are no container. */
function tellsOfUnit({ target, preDump, options }: DumpRequest): boolean {
  return target === undefined && !preDump && !options.leaveRunning && !options.leaveStopped;
}

/** What is to be told of a dump beside what goes wrong in it. */
async function notesOn({ pid, service }: DumpRequest): Promise<readonly string[]> {
  const unit = await findUnit(new Procfs(), pid);
  return [...(unit ? [unit.message] : []), ...(service?.leftOut ?? [])];
}

/** Adds what a dump needs that saves streams to the journal. */
async function withJournal(request: DumpRequest): Promise<DumpRequest> {
  const { pid, options, imageFiles = [], deadline } = request;
  const { external, file } = await deadline.bound('process', saveJournal(pid));
  return {
    ...request,
    options: { ...options, external: [...(options.external ?? []), ...external] },
    imageFiles: [...imageFiles, file],
  };
}
