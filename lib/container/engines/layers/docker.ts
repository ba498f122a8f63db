import { join } from 'node:path';
import type { Host } from '../../../linux/host.js';
import { JsonValue, readStateFile } from '../../state/json-value.js';
import type { Daemon } from '../daemons.js';
import { dockerDirectories } from '../directories.js';
import { qualifiedName } from '../docker.js';
import { chainIds, digitsOf } from './digest.js';
import { type ImageLayers, incomplete, type WantedImage } from './image.js';

/** Where each of docker's storage drivers keeps the files of a layer; vfs has those below in it, too. */
const drivers = [
  { driver: 'overlay2', directoryOf: (id: string) => join('overlay2', id, 'diff'), isWhole: false },
  { driver: 'vfs', directoryOf: (id: string) => join('vfs/dir', id), isWhole: true },
] as const;

/** The layers of an image of docker. */
export async function dockerLayers(
  wanted: WantedImage,
  daemons: readonly Daemon[],
  host: Host,
): Promise<ImageLayers | undefined> {
  for (const root of await dockerDirectories('data-root', '/var/lib/docker', daemons, host)) {
    for (const driver of drivers) {
      const found = await layersIn(root, driver, wanted);
      if (found !== undefined) return found;
    }
  }
  return undefined;
}

async function layersIn(
  root: string,
  { driver, directoryOf, isWhole }: (typeof drivers)[number],
  wanted: WantedImage,
): Promise<ImageLayers | undefined> {
  const images = join(root, 'image', driver);
  const id = wanted.id ?? (await idOf(images, wanted.name ?? ''));
  if (id === undefined) return undefined;
  const image = await jsonIn(join(images, 'imagedb/content/sha256', id));
  if (image === undefined) return undefined;
  const chain = chainIds(image.get('rootfs').get('diff_ids').strings()).reverse();
  const directories: string[] = [];
  for (const layer of isWhole ? chain.slice(0, 1) : chain) {
    const file = join(images, 'layerdb/sha256', digitsOf(layer) ?? '', 'cache-id');
    const cached = digitsOf((await readStateFile(file))?.trim() ?? '');
    if (cached === undefined) throw incomplete('docker', file);
    directories.push(join(root, directoryOf(cached)));
  }
  return { owner: 'docker', directories };
}

/** The id of the image that has a name now. */
async function idOf(images: string, name: string): Promise<string | undefined> {
  const list = await jsonIn(join(images, 'repositories.json'));
  for (const [, tags] of list?.get('Repositories').entries() ?? []) {
    for (const [tag, id] of tags.entries()) {
      if (qualifiedName(tag) === qualifiedName(name)) return digitsOf(id.string());
    }
  }
  return undefined;
}

async function jsonIn(file: string): Promise<JsonValue | undefined> {
  const text = await readStateFile(file, "docker's list of images");
  return text === undefined ? undefined : JsonValue.parse(file, text);
}
