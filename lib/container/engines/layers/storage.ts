import { join } from 'node:path';
import type { Host } from '../../../linux/host.js';
import { JsonValue, readStateFile } from '../../state/json-value.js';
import { qualifiedName } from '../docker.js';
import { pathIn, tableIn, tomlIn } from '../toml.js';
import { digitsOf } from './digest.js';
import { type ImageLayers, incomplete, type WantedImage } from './image.js';

const owner = 'containers/storage';
/** Where each storage driver keeps the files of a layer; vfs has those below in it, too. */
const drivers = [
  { driver: 'overlay', directoryOf: (id: string) => join('overlay', id, 'diff'), isWhole: false },
  { driver: 'vfs', directoryOf: (id: string) => join('vfs/dir', id), isWhole: true },
] as const;

/** The layers of an image of podman, CRI-O or buildah, which keep them as containers/storage does. */
export async function storageLayers(
  wanted: WantedImage,
  host: Host,
): Promise<ImageLayers | undefined> {
  for (const root of await graphRoots(host)) {
    for (const driver of drivers) {
      const found = await layersIn(root, driver, wanted);
      if (found !== undefined) return found;
    }
  }
  return undefined;
}

/** As podman looks for them; `CONTAINERS_STORAGE_CONF` is its own variable. */
async function graphRoots(host: Host): Promise<Set<string>> {
  const { CONTAINERS_STORAGE_CONF: own } = host.env;
  const inSystem = (path: string): string => join(host.systemRoot, path);
  const usual = ['/usr/share/containers/storage.conf', '/etc/containers/storage.conf'];
  const roots = [];
  for (const file of [...(own ? [own] : []), ...usual.map(inSystem)]) {
    const root = pathIn(tableIn(await tomlIn(file), 'storage'), 'graphroot');
    if (root !== undefined) roots.push(inSystem(root));
  }
  return new Set([...roots, inSystem('/var/lib/containers/storage')]);
}

async function layersIn(
  root: string,
  { driver, directoryOf, isWhole }: (typeof drivers)[number],
  { id, name }: WantedImage,
): Promise<ImageLayers | undefined> {
  const images = await listIn(join(root, `${driver}-images/images.json`));
  const image = images.find((one) =>
    id === undefined ? hasName(one, name ?? '') : one.get('id').optionalString() === id,
  );
  if (image === undefined) return undefined;
  const file = join(root, `${driver}-layers/layers.json`);
  const parents = new Map(
    (await listIn(file)).map((one) => [one.get('id').string(), one.get('parent').optionalString()]),
  );
  const directories: string[] = [];
  for (let layer = image.get('layer').string(); layer !== ''; layer = parents.get(layer) ?? '') {
    // Each one is there once, so that a circle ends.
    const known = parents.has(layer) && directories.length < parents.size;
    if (!known || digitsOf(layer) !== layer) throw incomplete(owner, `layer ${layer} in ${file}`);
    directories.push(join(root, directoryOf(layer)));
    if (isWhole) break;
  }
  return { owner, directories };
}

function hasName(image: JsonValue, name: string): boolean {
  return image
    .get('names')
    .strings()
    .some((one) => qualifiedName(one) === qualifiedName(name));
}

async function listIn(file: string): Promise<readonly JsonValue[]> {
  const text = await readStateFile(file, 'the list of containers/storage');
  return text === undefined ? [] : JsonValue.parse(file, text).list();
}
