import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type Flavour, findSystemdMachine, makeDisk } from '../../../tools/systemd-machine.mjs';
import { prefix } from '../../helpers/paths.js';
import { runOk } from '../../helpers/system/exec.js';
import { FileTree } from './file-tree.js';
import type { MakeParts } from './machine.js';
import { addCriu, addPackage, inGuest } from './package.js';

/** Enough for the package, Node.js and CRIU. The file is sparse. */
const packageDiskSize = '1G';

/**
 * A machine that boots Debian with systemd. The package and the libraries of this machine come on a second
 * disk, from which the initramfs puts them where they belong (tools/systemd-files.mjs).
 *
 * @param suites - The directory of the suites that it runs.
 */
export function systemdMachine(flavour: Flavour, suites: string): MakeParts {
  return async (directory) => {
    const made = findSystemdMachine(flavour);
    if (made === undefined) {
      throw new Error('there is no disk of a machine with systemd: run "npm run setup" as root');
    }
    const environment = {
      LIBCRIU_VM_SUITES: suites,
      ...(existsSync(prefix) ? { LIBCRIU_PREFIX: inGuest(prefix) } : {}),
    };
    return {
      initramfs: made.initramfs,
      args: [
        // A nanosecond for each instruction, so that no limit in there is over sooner on a busy machine.
        // While it waits, as for a disk, its time is ours.
        ...['-icount', 'shift=0,sleep=on', '-rtc', 'clock=vm'],
        ...driveOf(made.disk),
        ...driveOf(await packageDisk(directory)),
      ],
      parameters: [
        'root=/dev/vda',
        'rw',
        'net.ifnames=0',
        'loglevel=4',
        'systemd.show_status=1',
        ...Object.entries(environment).map(([name, value]) => `systemd.setenv=${name}=${value}`),
      ],
    };
  };
}

/** A disk to which nothing is written: qemu keeps the changes in a file that has no name. */
function driveOf(file: string): readonly string[] {
  return ['-drive', `file=${file},format=raw,if=virtio,cache=unsafe,snapshot=on`];
}

async function packageDisk(directory: string): Promise<string> {
  const links = new FileTree(join(directory, 'links'));
  await links.addBinary('/usr/bin/node', process.execPath);
  await addPackage(links);
  await addCriu(links);
  const tree = join(directory, 'tree');
  await runOk('cp', ['-rL', links.root, tree]);
  const disk = join(directory, 'package');
  await makeDisk(tree, disk, packageDiskSize);
  return disk;
}
