import { join } from 'node:path';
import { CriuError } from '../base/errors.js';
import { closeFd, openFd, readFile } from '../base/files.js';
import { withScope } from '../base/scope.js';
import type { SocketChannel } from '../channel/socket-channel.js';
import type { ReadyCriu } from '../criu/criu.js';
import { dumpHooks, HookRunner } from '../criu/hooks.js';
import { isOlder, versionText } from '../criu/program.js';
import { requireRoot } from '../criu/require-root.js';
import { warningsOf } from '../criu/result.js';
import { runNative } from '../criu/run.js';
import type { OutputDirectory } from '../images/directory.js';
import { manifestFile, outputName } from '../images/manifest.js';
import { type Outputs, openOutputs } from '../images/outputs.js';
import { selfFile } from '../images/self-saved.js';
import { type DumpStats, decodeDumpStats, readableStats } from '../images/stats.js';
import { versionFile } from '../images/version.js';
import { nativeAddon } from '../native/addon.js';
import type { CriuFields } from '../native/contract.js';
import { toFields } from '../options/fields.js';
import type { ValidatedOptions } from '../options/validated.js';
import { enrich } from '../preflight/enrich.js';
import { logFileOf, toldFields, withConfigFile } from '../process/config.js';
import { failure } from '../process/failure.js';
import { saveJournal } from '../process/journal.js';
import { requireKnownOptions } from '../process/known-options.js';
import type { OperationRequest } from '../process/request.js';
import { inTurn, lockOf } from '../process/turn.js';
import { callBefore } from './handlers.js';
import { manifestOfSelf } from './manifest.js';
import { begin, LifeSlots } from './new-life.js';
import { refuseObstacles } from './obstacles.js';
import { renewRandomness } from './randomness.js';
import type { SelfCheckpoint } from './result.js';
import { serveTasks } from './tasks.js';
import { tell } from './threads.js';

/** The oldest CRIU that takes the images directory by its path. */
const byPath = { major: 4, minor: 2 };

/** One checkpoint of this process as it runs. */
export interface SelfRequest extends OperationRequest {
  operation: 'checkpointSelf';
  options: ValidatedOptions['checkpointSelf'] & { imagePath: string };
}

/** Saves the process. */
export async function saveSelf(asked: SelfRequest): Promise<SelfCheckpoint> {
  const clock = startClock();
  const { criu, deadline } = asked;
  requireRoot(asked.operation);
  requireParent();
  const ready = await deadline.bound('criu', criu.ready({ prepares: false }));
  const request = await withConfigFile(asked, asked.options.configFile);
  requireKnownOptions(request, ready.version);
  return await inTurn(request, async () => {
    const saved = await betweenHandlers(() => saveOrExplain(request, ready));
    return { ...saved, durationMs: clock(saved.restored) };
  });
}

/** A process that is brought back may find that the monotonic clock has begun anew. */
function startClock(): (restored: boolean) => number {
  const [monotonic, wall] = [performance.now(), Date.now()];
  return (restored) => (restored ? Math.max(0, Date.now() - wall) : performance.now() - monotonic);
}

/** What is known of a checkpoint before its end. */
interface Result extends Omit<SelfCheckpoint, 'durationMs' | 'channel'> {
  channel: SocketChannel | undefined;
}

/** Calls the handlers before and after, whatever comes of the checkpoint. */
async function betweenHandlers(save: () => Promise<Result>): Promise<Result> {
  const goOn = await callBefore();
  let saved: Result | undefined;
  try {
    saved = await save();
    if (saved.restored) {
      renewRandomness();
      tell({ restored: true, data: saved.data, channel: undefined });
    }
  } finally {
    const { restored = false, data, channel } = saved ?? {};
    await goOn({ restored, data, channel });
    if (channel !== undefined) serveTasks(channel);
  }
  return saved;
}

async function saveOrExplain(request: SelfRequest, ready: ReadyCriu): Promise<Result> {
  const { criu, options } = request;
  // What we keep ready is no part of what is looked at.
  await nativeAddon().closeAll();
  const inspection = { criu, pid: process.pid, preDump: false, options, isSelf: true };
  await refuseObstacles(inspection);
  try {
    return await save(request, ready);
  } catch (error) {
    throw await enrich(error, inspection);
  }
}

/** What dumps a process must not be its descendant, and that of an init process always is. */
function requireParent(): void {
  if (process.pid !== 1) return;
  throw new CriuError(
    'ERR_NOT_CHECKPOINTABLE',
    'This process is the init of its pid namespace, and CRIU would be its descendant: dump it from outside',
    { operation: 'checkpointSelf' },
  );
}

async function save(request: SelfRequest, ready: ReadyCriu): Promise<Result> {
  const { imagePath, logFile: logName } = request.options;
  const logs = [logName, outputName] as const;
  return withScope(async (scope) => {
    const outputs = await openOutputs(scope, {
      imagePath,
      existing: undefined,
      logs,
      lock: lockOf(request),
    });
    try {
      await outputs.images.write(...versionFile(versionText(ready.version)));
      const slots = scope.use(new LifeSlots());
      await outputs.images.write(...selfFile(slots.resources));
      const manifest = await manifestOfSelf(outputs.images.path, versionText(ready.version));
      await outputs.images.write(...manifestFile(manifest));
      const asked = await withJournal(request, outputs);
      const saved = await askCriu(asked, ready, outputs);
      if (!saved.restored) return { ...saved, data: undefined, channel: undefined };
      const life = slots.read();
      begin(life);
      const { imagePath = saved.imagePath, data } = life;
      const channel = life.channel === true ? await slots.openChannel() : undefined;
      return { ...saved, imagePath, logFile: join(imagePath, logName), data, channel };
    } catch (error) {
      await outputs.settle('log');
      throw error;
    }
  });
}

/** Adds what is needed to save our streams to the journal. */
async function withJournal(request: SelfRequest, { images }: Outputs): Promise<SelfRequest> {
  const { options } = request;
  if (options.journal !== true) return request;
  const { external, file } = await saveJournal(process.pid);
  await images.write(...file);
  return {
    ...request,
    options: { ...options, external: [...(options.external ?? []), ...external] },
  };
}

async function askCriu(
  request: SelfRequest,
  { installation, version }: ReadyCriu,
  outputs: Outputs,
): Promise<Omit<Result, 'data' | 'channel'>> {
  const { criu, options, deadline } = request;
  const { images } = outputs;
  const environment = await criu.environment();
  // It is in the images, and must not have the lock.
  const directory = isOlder(version, byPath) ? await openFd(images.file(''), 'r') : undefined;
  deadline.check('request');
  const outcome = await runNative(
    {
      verb: 'dumpSelf',
      ...installation,
      environment,
      fields: toldFields(request, { ...toFields(options), ...directoryField(images, directory) }),
      standby: criu.standby,
      handedOver: images.handOver(),
    },
    new HookRunner(dumpHooks, {}, false, deadline),
    deadline,
  ).finally(() => directory === undefined || closeFd(directory));
  if (!outcome.success) throw await failure(request, outcome, outputs);
  const { restored } = outcome;
  const stats = restored ? undefined : await statsIn(images);
  return {
    restored,
    imagePath: images.path,
    logFile: logFileOf(request, outputs),
    stats,
    warnings: warningsOf(outcome),
  };
}

function directoryField(images: OutputDirectory, directory: number | undefined): CriuFields {
  return directory === undefined
    ? { images_dir_fd: -1, images_dir: images.path }
    : { images_dir_fd: directory };
}

async function statsIn(images: OutputDirectory): Promise<DumpStats | undefined> {
  const file = await readFile(images.file('stats-dump')).catch(() => Buffer.alloc(0));
  return readableStats(decodeDumpStats, file);
}
