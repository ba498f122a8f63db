import { readFileSync } from 'node:fs';
import { cp, mkdir, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { addonFiles } from '../../tools/platforms.mjs';
import { projectRoot } from '../helpers/paths.js';
import { type Outcome, run } from '../helpers/system/exec.js';

const { dependencies } = JSON.parse(readFileSync(join(projectRoot, 'package.json'), 'utf8')) as {
  dependencies: Record<string, string>;
};

/** What a consumer's npm would install with the package. */
const dependenciesOf = [...Object.keys(dependencies), 'file-uri-to-path'];

/** Somebody's project that has the package installed. */
export class Consumer {
  readonly directory: string;

  private constructor(directory: string) {
    this.directory = directory;
  }

  /** In an empty directory, with what the package depends on, but without the package. */
  static async empty(directory: string): Promise<Consumer> {
    const consumer = new Consumer(directory);
    for (const name of dependenciesOf) {
      await mkdir(dirname(consumer.module(name)), { recursive: true });
      await symlink(join(projectRoot, 'node_modules', name), consumer.module(name));
    }
    await writeFile(join(directory, 'package.json'), '{ "type": "module" }');
    return consumer;
  }

  /** In an empty directory, with the package but nothing native. */
  static async in(directory: string): Promise<Consumer> {
    const consumer = await Consumer.empty(directory);
    await mkdir(consumer.module('libcriu'));
    for (const name of ['package.json', 'binding.gyp', 'dist', 'scripts', 'tools']) {
      await cp(join(projectRoot, name), consumer.module(`libcriu/${name}`), { recursive: true });
    }
    return consumer;
  }

  /** The directory of a module. */
  module(name: string): string {
    return join(this.directory, 'node_modules', name);
  }

  /** Installs a package with what was built here, or with something that is no addon. */
  async installPlatform(name: string, content?: string): Promise<void> {
    const directory = this.module(name);
    await mkdir(directory, { recursive: true });
    await writeFile(join(directory, 'package.json'), '{ "main": "criu_native.node" }');
    if (content === undefined) await copyBuild(directory);
    else await writeFile(join(directory, 'criu_native.node'), content);
  }

  /** Puts there what node-gyp would have built in the package. */
  async buildHere(): Promise<void> {
    await copyBuild(this.module('libcriu/build/Release'));
  }

  /** Takes away what the two have put there. */
  async removeNative(): Promise<void> {
    await rm(this.module('@libcriu'), { recursive: true, force: true });
    await rm(this.module('libcriu/build'), { recursive: true, force: true });
  }

  /** Runs a program in the project. */
  run(program: string, env: NodeJS.ProcessEnv): Promise<Outcome> {
    const args = ['--input-type=module', '-e', program];
    return run(process.execPath, args, { cwd: this.directory, env });
  }
}

async function copyBuild(directory: string): Promise<void> {
  for (const name of addonFiles) {
    await mkdir(dirname(join(directory, name)), { recursive: true });
    // Also where the tests are run with another addon.
    await cp(join(projectRoot, 'build/Release', name), join(directory, name));
  }
}
