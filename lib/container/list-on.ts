import { readFile } from '../base/files.js';
import type { Host } from '../linux/host.js';
import { readProcessStat, userHz } from '../linux/process-stat.js';
import { type CatalogEntry, type CatalogedContainer, entriesIn, readEntry } from './catalog.js';
import { stateRoots } from './engines/state-roots.js';
import type { ContainerList, ListedContainer } from './listed.js';
import type { ContainerState } from './state/container.js';
import { initIsAlive, readStatus } from './state/status.js';

/** Lists the containers of a machine, which may be one that a test has made. */
export async function listOn(host: Host): Promise<ContainerList> {
  const entries = await entriesIn(await stateRoots(host, { daemons: true }));
  const bootTime = await bootTimeOf(host);
  const warnings: string[] = [];
  const list = async (entry: CatalogEntry): Promise<ListedContainer[]> => {
    try {
      const container = await readEntry(entry, host);
      if (container === undefined) return [];
      const { problem } = container;
      if (problem !== undefined) warnings.push((problem as Error).message);
      return [await listed(container, bootTime, host)];
    } catch (error) {
      warnings.push((error as Error).message);
      return [];
    }
  };
  const containers = (await Promise.all(entries.map(list))).flat();
  const key = ({ engine, name, id }: ListedContainer): string => `${engine} ${name} ${id}`;
  return { containers: containers.sort((a, b) => (key(a) < key(b) ? -1 : 1)), warnings };
}

async function listed(
  { state, engine, name, image }: CatalogedContainer,
  bootTime: number,
  host: Host,
): Promise<ListedContainer> {
  const isAlive = await initIsAlive(state, host);
  return {
    engine,
    name,
    id: state.id,
    state: await readStatus(state, host),
    pid: isAlive ? state.initPid : undefined,
    image,
    started: isAlive ? startedSince(bootTime, state, host) : undefined,
    stateRoot: state.stateRoot,
  };
}

/** When the init process of a container was started; undefined when it has ended. */
export async function startedAt(state: ContainerState, host: Host): Promise<Date | undefined> {
  return startedSince(await bootTimeOf(host), state, host);
}

function startedSince(
  bootTime: number,
  { initPid }: ContainerState,
  { procRoot }: Host,
): Date | undefined {
  const ticks = readProcessStat(initPid, procRoot)?.startTime;
  return ticks === undefined ? undefined : new Date((bootTime + ticks / userHz) * 1000);
}

/** When the machine was booted, in seconds of the epoch. */
async function bootTimeOf({ procRoot }: Host): Promise<number> {
  const text = await readFile(`${procRoot}/stat`, 'latin1');
  return Number(/^btime (\d+)$/m.exec(text)?.[1] ?? 0);
}
