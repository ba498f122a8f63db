import { dirname, join } from 'node:path';
import { readFile } from '../base/files.js';
import { inspectOwnership } from '../linux/ownership.js';
import type { Surroundings } from './info.js';
import { Told } from './json.js';

type Facts = Omit<Surroundings, 'path' | 'format' | 'compression'>;

/**
 * What the engine's files say of the container whose images are in a directory of the engine:
 * `DATA-ROOT/containers/ID/checkpoints/NAME` of docker, or `ID/userdata/checkpoint` of podman.
 *
 * @param real - The directory's absolute path, without links.
 */
export async function engineFacts(real: string): Promise<Facts> {
  const [, docker] = /\/containers\/([0-9a-f]{64})\/checkpoints\/[^/]+$/.exec(real) ?? [];
  if (docker !== undefined) return await dockerFacts(docker, dirname(dirname(real)));
  const [, podman] = /\/[a-z]+-containers\/([0-9a-f]{64})\/userdata\/checkpoint$/.exec(real) ?? [];
  if (podman !== undefined) return await podmanFacts(podman, join(real, '../../..'));
  return {};
}

async function dockerFacts(id: string, directory: string): Promise<Facts> {
  const config = await trustedJson(join(directory, 'config.v2.json'));
  const name = config.get('Name').text?.replace(/^\//, '');
  const image = config.get('Config', 'Image').text;
  return { engine: 'docker', id, name, image, created: config.get('Created').time };
}

async function podmanFacts(id: string, directory: string): Promise<Facts> {
  const containers = await trustedJson(join(directory, 'containers.json'));
  const entry = containers.list.find((one) => one.get('id').text === id);
  const name = entry?.get('names').list[0]?.text;
  return { engine: 'podman', id, name, created: entry?.get('created').time };
}

/** The content of a file that nobody else can have written; nothing of any other. */
async function trustedJson(file: string): Promise<Told> {
  const report = await inspectOwnership(file).catch(() => undefined);
  if (report === undefined) return new Told(undefined);
  try {
    if (report.reason !== undefined || !report.stats.isFile()) return new Told(undefined);
    return new Told(JSON.parse(await readFile(`/proc/self/fd/${report.fd}`, 'utf8')));
  } catch {
    return new Told(undefined); // It is no JSON.
  } finally {
    report.close();
  }
}
