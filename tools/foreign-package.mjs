// @ts-check
// Packages of Debian for another processor. This machine's apt does not know of them.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { downloadTo } from './debian-package.mjs';
import { debianArchive } from './debian-root.mjs';
import { capture, run, StepError } from './process.mjs';

/** What there is for a processor in a release, as apt knows it with lists of its own. */
export class ForeignPackages {
  /** @type {readonly string[]} */
  #options;
  /** @type {string} */
  #directory;

  /**
   * @param {string} architecture as Debian has it
   * @param {string} directory an empty one, for the lists and what is downloaded
   */
  constructor(architecture, directory) {
    this.#directory = directory;
    for (const name of ['state/lists/partial', 'cache/archives/partial']) {
      mkdirSync(join(directory, name), { recursive: true });
    }
    const settings = {
      'Dir::State': join(directory, 'state'),
      'Dir::State::status': '/dev/null',
      'Dir::Cache': join(directory, 'cache'),
      'Dir::Etc::SourceList': join(directory, 'sources.list'),
      'Dir::Etc::SourceParts': '/dev/null',
      'APT::Architecture': architecture,
      'APT::Architectures::': architecture,
      'Acquire::Languages': 'none',
      'Acquire::Retries': '3',
    };
    this.#options = Object.entries(settings).flatMap(([name, value]) => ['-o', `${name}=${value}`]);
  }

  /** Fetches the lists of a release. @type {(release: string, logFile: string) => Promise<void>} */
  async update(release, logFile) {
    const line = `deb ${await debianArchive()} ${release} main\n`;
    writeFileSync(join(this.#directory, 'sources.list'), line);
    await run('apt-get', [...this.#options, 'update'], { logFile });
  }

  /** The first package that another depends on. @param {string} name */
  async dependencyOf(name) {
    const { stdout } = await capture('apt-cache', [...this.#options, 'depends', name]);
    const [, found] = /^ *Depends: (\S+)$/m.exec(stdout) ?? [];
    if (found === undefined) throw new StepError(`apt knows no package ${name}`);
    return found;
  }

  /** Unpacks a package into a directory. Nothing is installed. @type {(name: string, tree: string, logFile: string) => Promise<void>} */
  async unpack(name, tree, logFile) {
    const directory = join(this.#directory, name);
    await downloadTo(tree, name, { directory, options: this.#options, logFile });
  }
}
