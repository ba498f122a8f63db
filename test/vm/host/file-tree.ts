import { realpathSync } from 'node:fs';
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { findCommand } from '../../../tools/process.mjs';
import { run } from '../../helpers/system/exec.js';

/** Links to files and directories of this machine, laid out as the guest is to have them. */
export class FileTree {
  readonly root: string;
  readonly #added = new Set<string>();

  constructor(root: string) {
    this.root = root;
  }

  async add(path: string, target: string): Promise<void> {
    if (this.#added.has(path)) return;
    this.#added.add(path);
    const link = join(this.root, path);
    await mkdir(dirname(link), { recursive: true });
    await symlink(realpathSync(target), link);
  }

  /** A file that is made here. */
  async write(path: string, text: string): Promise<void> {
    const file = join(this.root, path);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, text);
  }

  /** A program or a library, with all the libraries that it is linked to. */
  async addBinary(path: string, target = path): Promise<void> {
    await this.add(path, target);
    const { stdout } = await run('ldd', [target]);
    for (const [, library] of stdout.matchAll(/(\/\S+) \(0x/g)) {
      if (library !== undefined) await this.add(library, library);
    }
  }
}

/** The path of a command that set-up has installed. */
export function requireCommand(name: string): string {
  const file = findCommand(name);
  if (file === undefined) throw new Error(`there is no ${name}: run "npm run setup" as root`);
  return file;
}
