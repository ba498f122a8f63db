import type { Host } from '../../../linux/host.js';
import { daemonsCalled } from '../daemons.js';
import { containerdLayers } from './containerd.js';
import { dockerLayers } from './docker.js';
import type { ImageLayers, WantedImage } from './image.js';
import { storageLayers } from './storage.js';

/**
 * Finds the files of an image in the directories of the engines of this machine. No daemon is asked.
 *
 * @returns undefined where no engine has it.
 * @throws CriuError `ERR_UNTRUSTED_PATH` for an engine's file that another user can have written.
 */
export async function findLayers(
  wanted: WantedImage,
  host: Host,
): Promise<ImageLayers | undefined> {
  if (wanted.name === undefined && wanted.id === undefined) return undefined;
  const [docker, containerd] = await daemonsCalled(['dockerd', 'containerd'], host);
  const stores = [
    { engines: ['docker'], find: () => dockerLayers(wanted, docker, host) },
    { engines: ['podman', 'cri-o'], find: () => storageLayers(wanted, host) },
    { engines: ['containerd'], find: () => containerdLayers(wanted, containerd, host) },
  ];
  const isIts = ({ engines }: { engines: string[] }): boolean =>
    wanted.engine !== undefined && engines.includes(wanted.engine);
  for (const { find } of stores.sort((a, b) => Number(isIts(b)) - Number(isIts(a)))) {
    const found = await find();
    if (found !== undefined) return found;
  }
  return undefined;
}
